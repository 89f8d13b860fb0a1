/** A claim id as the key of a map. */
export function claimKey(key: string, token: string): string {
  return `${token} ${key}`;
}
