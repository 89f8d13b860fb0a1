import stringWidth from 'string-width';

/** Text that others chose, as it may be shown in a terminal: without anything that a terminal obeys, or does not show. */
export function printable(text: string): string {
  return text.replace(
    /[\p{Cc}\p{Bidi_Control}\u00ad\u200b\u2028\u2029\u2060\ufeff]/gu,
    (char) => `\\u${char.charCodeAt(0).toString(16).padStart(4, '0')}`,
  );
}

/** `850ms`, `12s`, `3m20s`, `2h05m`, `3d04h`. */
export function showDuration(ms: number): string {
  const rounded = Math.max(0, Math.round(ms));
  if (rounded < 1_000) return `${rounded}ms`;
  const seconds = Math.floor(rounded / 1_000);
  if (seconds < 60) return `${seconds}s`;
  if (seconds < 3_600) return pair(seconds, 60, 'm', 's');
  const minutes = Math.floor(seconds / 60);
  if (minutes < 1_440) return pair(minutes, 60, 'h', 'm');
  return pair(Math.floor(minutes / 60), 24, 'd', 'h');
}

function pair(value: number, base: number, big: string, small: string): string {
  return `${Math.floor(value / base)}${big}${String(value % base).padStart(2, '0')}${small}`;
}

/** The columns that a text takes. */
export const widthOf = (text: string): number =>
  // Most texts; the package takes 50 times as long for them.
  /^[ -~]*$/.test(text) ? text.length : stringWidth(text);

const graphemes = new Intl.Segmenter();

/** The text, or as much of it as `width` columns have room for. */
export function cut(text: string, width: number): string {
  if (widthOf(text) <= width) return text;
  let shown = '';
  let left = width - 1;
  for (const { segment } of graphemes.segment(text)) {
    left -= widthOf(segment);
    if (left < 0) break;
    shown += segment;
  }
  return `${shown}…`;
}
