import { problems } from "../problem/catalogue.js";
import { ConfigurationError, ProblemError } from "../problem/errors.js";
import type { NodeIncoming } from "./incoming.js";

const EMPTY = new Uint8Array();

/**
 * Reads a body to its end and puts it back, so that whoever reads next (a body parser, the handler) finds the stream as
 * if nobody had touched it.
 *
 * @param declaredBytes The `Content-Length`; 0 without a body; `undefined` where only the end of the stream tells.
 * @throws {ProblemError} 2003: longer than `maxBytes`; the rest is discarded. 2004: the client left before it sent everything.
 * @throws {ConfigurationError} `mounted_after_parser`: somebody consumed the stream before; thrown at once, never a hang.
 */
export async function readBody(incoming: NodeIncoming, declaredBytes: number | undefined, maxBytes: number): Promise<Uint8Array> {
  if (declaredBytes === 0) return EMPTY; // looking into an empty stream would end it for those who read next
  if (incoming.readableDidRead || incoming.readableFlowing === true) throw consumedBefore();
  if (declaredBytes !== undefined && declaredBytes > maxBytes) throw new ProblemError(problems.bodyTooLarge());
  // Node may still be parsing the packet that carried the head; one microtask later the body that came with it is buffered.
  await Promise.resolve();
  return new Promise((resolve, reject) => new BodyReader(incoming, declaredBytes, maxBytes, resolve, reject).start());
}

/** What a guard gets that asks for a body which somebody consumed before. */
export function consumedBefore(): ConfigurationError {
  return new ConfigurationError(
    "mounted_after_parser",
    "The request body was consumed before a guard asked for it. Mount the guard before the body parser.",
  );
}

class BodyReader {
  private readonly chunks: Uint8Array[] = [];
  private length = 0;

  constructor(
    private readonly incoming: NodeIncoming,
    private readonly declaredBytes: number | undefined,
    private readonly maxBytes: number,
    private readonly resolve: (body: Uint8Array) => void,
    private readonly reject: (error: Error) => void,
  ) {}

  start(): void {
    if (this.incoming.destroyed) return this.onClose();
    this.take();
    if (this.isOver()) return this.finish();
    this.incoming.on("readable", this.onReadable);
    this.incoming.on("end", this.finish);
    this.incoming.on("close", this.onClose);
  }

  private readonly onReadable = (): void => {
    this.take();
    if (this.isOver()) this.finish();
  };

  private readonly onClose = (): void => {
    this.stop();
    this.reject(new ProblemError(problems.bodyUnreadable({ detail: "The connection closed before the whole body arrived." })));
  };

  private readonly finish = (): void => {
    this.stop();
    if (this.length > this.maxBytes) {
      this.incoming.resume(); // discards the rest, so that the connection can carry its next request
      return this.reject(new ProblemError(problems.bodyTooLarge()));
    }
    const body = this.chunks.length === 1 ? (this.chunks[0] as Uint8Array) : Buffer.concat(this.chunks); // the one of length 1
    // Node ends a stream one tick after its last byte was read, unless it was filled again in the meantime: this is that tick.
    if (body.length > 0 && !this.incoming.destroyed) this.incoming.unshift(body);
    this.resolve(body);
  };

  private take(): void {
    // Never read when nothing is there: that is what ends an ended stream.
    if (this.incoming.readableLength === 0) return;
    const chunk = this.incoming.read();
    if (!(chunk instanceof Uint8Array)) throw consumedBefore(); // somebody called setEncoding(): the bytes are gone
    this.chunks.push(chunk);
    this.length += chunk.length;
  }

  private isOver(): boolean {
    return this.length > this.maxBytes || (this.incoming.complete ?? this.length === this.declaredBytes);
  }

  private stop(): void {
    this.incoming.off("readable", this.onReadable);
    this.incoming.off("end", this.finish);
    this.incoming.off("close", this.onClose);
  }
}
