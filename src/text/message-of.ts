/** What an error says, or whatever else was thrown; it never fails. */
export function messageOf(thrown: unknown): string {
  try {
    return String(thrown instanceof Error ? thrown.message : thrown);
  } catch {
    // It has no text form.
    return 'something that is no error was thrown';
  }
}
