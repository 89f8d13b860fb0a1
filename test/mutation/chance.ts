/** How likely it is that so few of those tried are noticed, or fewer, where `share` (0 to 1) of all would be. */
export function chanceOfSoFew(noticed: number, tried: number, share: number): number {
  let chance = 0;
  let term = (1 - share) ** tried;
  for (let count = 0; count <= noticed; count++) {
    chance += term;
    term *= ((tried - count) / (count + 1)) * (share / (1 - share));
  }
  return chance;
}
