/** Bytes that this process holds on to. Run it with `--expose-gc`. */
export function heldBytes(): number {
  if (globalThis.gc === undefined) throw new Error("Run with --expose-gc.");
  for (let time = 0; time < 3; time += 1) globalThis.gc();
  const { heapUsed, external } = process.memoryUsage();
  // `external` counts array buffers already.
  return heapUsed + external;
}
