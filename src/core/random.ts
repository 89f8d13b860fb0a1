/** Gives numbers from 0 to 1, without the 1. Tests bring their own. */
export type Random = () => number;

export const systemRandom: Random = () => Math.random();
