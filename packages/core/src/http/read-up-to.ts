/** A body of known end, or one that is longer than wanted: as a stream from its first byte on. */
export type ReadBody =
  | { readonly kind: "whole"; readonly bytes: Uint8Array }
  | { readonly kind: "longer"; readonly stream: ReadableStream<Uint8Array> };

/** Reads a body to its end, or no further than the chunk that exceeds `mostBytes`: the rest is left where it is. */
export async function readUpTo(body: ReadableStream<Uint8Array> | null, mostBytes: number): Promise<ReadBody> {
  if (body === null) return { kind: "whole", bytes: new Uint8Array() };
  const reader = body.getReader();
  const chunks: Uint8Array[] = [];
  let length = 0;
  while (length <= mostBytes) {
    const { done, value } = await reader.read();
    if (done) return { kind: "whole", bytes: Buffer.concat(chunks) };
    chunks.push(value);
    length += value.length;
  }
  const stream = new ReadableStream<Uint8Array>({
    async pull(controller) {
      const { done, value } = chunks.length > 0 ? { done: false, value: chunks.shift() } : await reader.read();
      if (done || value === undefined) controller.close();
      else controller.enqueue(value);
    },
    cancel: (reason) => reader.cancel(reason),
  });
  return { kind: "longer", stream };
}
