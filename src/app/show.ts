/** A value as it may stand in a message: short, on one line, without the passwords of an address, and never failing. */
export function show(value: unknown): string {
  if (typeof value === 'string') {
    const text = withoutLogin(value);
    return JSON.stringify(text.length > 100 ? `${text.slice(0, 100)}…` : text);
  }
  if (typeof value === 'function') return 'a function';
  if (value instanceof Date) return 'a date';
  if (Array.isArray(value)) return 'an array';
  return typeof value === 'object' && value !== null ? 'a table' : String(value);
}

/** What an error says, or whatever else was thrown; it never fails. */
export function messageOf(thrown: unknown): string {
  try {
    return String(thrown instanceof Error ? thrown.message : thrown);
  } catch {
    // It has no text form.
    return 'something that is no error was thrown';
  }
}

/** A text that may be an address, without the login and the passwords that it may have in its query. */
export function withoutLogin(text: string): string {
  // Not by one pattern: that takes time with the square of the length.
  const start = text.indexOf('://');
  const end = text.lastIndexOf('@');
  const open = start === -1 || end < start ? text : `${text.slice(0, start)}://…${text.slice(end)}`;
  return open.replace(/([?&]\w*password=)[^&\s]*/gi, '$1…');
}
