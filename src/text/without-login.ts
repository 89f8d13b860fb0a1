/** A text that may be an address by mistake, without the login and the passwords that it may have in its query. */
export function withoutLogin(text: string): string {
  // Not by one pattern: that takes time with the square of the length, and a wrong key may be of any.
  const start = text.indexOf('://');
  const end = text.lastIndexOf('@');
  const open = start === -1 || end < start ? text : `${text.slice(0, start)}://…${text.slice(end)}`;
  return open.replace(/([?&]\w*password=)[^&\s]*/gi, '$1…');
}
