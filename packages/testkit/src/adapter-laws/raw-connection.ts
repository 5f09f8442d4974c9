import { connect, type Socket } from "node:net";

/** One response as it came over the wire. */
export interface RawResponse {
  readonly status: number;
  /** Lower-case names and values, one pair for each field line, in order. */
  readonly fields: readonly (readonly [name: string, value: string])[];
  readonly body: string;
}

/** The values of every field line of that name, in order. */
export function linesOf(response: RawResponse, name: string): readonly string[] {
  return response.fields.filter(([field]) => field === name).map(([, value]) => value);
}

/** A TCP connection that sends exactly the given bytes: what Fetch would normalise, join or refuse. */
export class RawConnection {
  private received = Buffer.alloc(0);
  private ended = false;
  private wake: () => void = () => {};

  private constructor(private readonly socket: Socket) {
    socket.on("data", (chunk: Buffer) => {
      this.received = Buffer.concat([this.received, chunk]);
      this.wake();
    });
    socket.on("error", () => {}); // `close` follows
    socket.on("close", () => {
      this.ended = true;
      this.wake();
    });
  }

  static open(port: number): Promise<RawConnection> {
    return new Promise((resolve, reject) => {
      const socket = connect(port, "127.0.0.1", () => resolve(new RawConnection(socket)));
      socket.once("error", reject);
      socket.setNoDelay(true);
    });
  }

  /** Sends bytes; resolves when the system took them. */
  send(bytes: string | Uint8Array): Promise<void> {
    return new Promise((resolve) => this.socket.write(bytes, () => resolve()));
  }

  /** The next response on this connection. `bodiless` for the answer to HEAD, which has a length but no body. */
  async next(options: { readonly bodiless?: boolean } = {}): Promise<RawResponse> {
    const head = (await this.until("\r\n\r\n")).split("\r\n");
    const status = Number(head[0]?.split(" ")[1]);
    const fields = head.slice(1).map((line): readonly [string, string] => {
      const colon = line.indexOf(":");
      return [line.slice(0, colon).toLowerCase(), line.slice(colon + 1).trim()];
    });
    const field = (name: string): string | undefined => fields.find(([other]) => other === name)?.[1];
    if (options.bodiless === true || status === 204 || status === 304) return { status, fields, body: "" };
    if (field("transfer-encoding") === "chunked") return { status, fields, body: await this.chunked() };
    const length = field("content-length");
    return { status, fields, body: length === undefined ? await this.rest() : await this.take(Number(length)) };
  }

  /** Waits until at least this text has come, without consuming it. */
  async sees(text: string): Promise<void> {
    while (!this.received.includes(text)) await this.more();
  }

  /** Leaves without ceremony. */
  abort(): void {
    this.socket.destroy();
  }

  /** Whether the server closed the connection. */
  async closed(): Promise<void> {
    while (!this.ended) await this.more();
  }

  private async chunked(): Promise<string> {
    let body = "";
    for (;;) {
      const size = Number.parseInt(await this.until("\r\n"), 16);
      body += await this.take(size);
      await this.take(2);
      if (size === 0) return body;
    }
  }

  private async until(mark: string): Promise<string> {
    for (;;) {
      const at = this.received.indexOf(mark);
      if (at === -1) {
        await this.more();
        continue;
      }
      const text = this.received.subarray(0, at).toString("latin1");
      this.received = this.received.subarray(at + mark.length);
      return text;
    }
  }

  private async take(length: number): Promise<string> {
    while (this.received.length < length) await this.more();
    const text = this.received.subarray(0, length).toString("utf8");
    this.received = this.received.subarray(length);
    return text;
  }

  private async rest(): Promise<string> {
    while (!this.ended) await this.more();
    return this.received.toString("utf8");
  }

  private async more(): Promise<void> {
    if (this.ended) throw new Error(`The server closed the connection after ${JSON.stringify(this.received.toString("latin1"))}.`);
    await new Promise<void>((resolve) => {
      this.wake = resolve;
    });
  }
}
