// A body made of a string is one chunk and the end; more reads than this, and it is a stream.
const MAX_READS = 4;

/**
 * The body of a Fetch response: its bytes where they are all there already, so that a length can be sent; else a stream.
 * `undefined` without a body.
 */
export async function readyBody(response: Response): Promise<Uint8Array | ReadableStream<Uint8Array> | undefined> {
  if (response.body === null) return undefined;
  const reader = response.body.getReader();
  const chunks: Uint8Array[] = [];
  let pending = reader.read();
  for (let reads = 0; reads < MAX_READS; reads += 1) {
    const chunk = await Promise.race([pending, turnOfEventLoop()]);
    if (chunk === undefined) break;
    if (chunk.done) return chunks.length === 1 ? chunks[0] : Buffer.concat(chunks);
    chunks.push(chunk.value);
    pending = reader.read();
  }
  return resume(chunks, pending, reader);
}

type Read = Awaited<ReturnType<ReadableStreamDefaultReader<Uint8Array>["read"]>>;

function turnOfEventLoop(): Promise<undefined> {
  return new Promise((resolve) => setImmediate(resolve, undefined));
}

function resume(
  chunks: readonly Uint8Array[],
  pending: Promise<Read>,
  reader: ReadableStreamDefaultReader<Uint8Array>,
): ReadableStream<Uint8Array> {
  let next: Promise<Read> | undefined = pending;
  next.catch(() => {}); // reported by the pull that awaits it
  return new ReadableStream<Uint8Array>(
    {
      start(controller) {
        for (const chunk of chunks) controller.enqueue(chunk);
      },
      async pull(controller) {
        const { done, value } = await (next ?? reader.read());
        next = undefined;
        if (done) controller.close();
        else controller.enqueue(value);
      },
      cancel: (reason) => reader.cancel(reason),
    },
    { highWaterMark: 0 },
  );
}
