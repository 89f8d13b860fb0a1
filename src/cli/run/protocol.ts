/** What `latchkey run` tells the guard. Times are `process.hrtime` in ms: one clock for all processes of a machine. */
export type ToGuard =
  | {
      readonly what: 'start';
      readonly command: string;
      readonly args: readonly string[];
      readonly env: Readonly<Record<string, string>>;
      readonly until: number;
    }
  /** The lease was renewed. */
  | { readonly what: 'until'; readonly until: number }
  /** The lease is lost, or about to be: the group must be gone by then. */
  | { readonly what: 'end'; readonly until: number }
  | { readonly what: 'signal'; readonly signal: NodeJS.Signals };

/** What the guard tells `latchkey run`. */
export type FromGuard =
  | { readonly what: 'started'; readonly group: number }
  | { readonly what: 'failed'; readonly code: string }
  /** The whole group is gone. `late`: it was ended because the lease was not renewed in time. */
  | {
      readonly what: 'ended';
      readonly code: number | null;
      readonly signal: NodeJS.Signals | null;
      readonly late: boolean;
    };

/** ms. */
export const now = (): number => Number(process.hrtime.bigint()) / 1e6;
