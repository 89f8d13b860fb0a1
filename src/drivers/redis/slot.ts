const SLOTS = 16_384;
const POLYNOMIAL = 0x1021;

/** The slot of a Cluster that a key is in, by the specification of Redis: CRC16 (XMODEM) of its hash tag. */
export function slotOf(key: string): number {
  const [, tag] = /^[^{]*\{([^}]+)\}/.exec(key) ?? [];
  let crc = 0;
  for (const byte of Buffer.from(tag ?? key)) {
    crc ^= byte << 8;
    for (let bit = 0; bit < 8; bit++) crc = crc & 0x8000 ? (crc << 1) ^ POLYNOMIAL : crc << 1;
  }
  return crc & (SLOTS - 1);
}
