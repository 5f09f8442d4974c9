// Starts an example as a reader would: a process of its own that says which port it took.
import { spawn } from "node:child_process";
import { fileURLToPath } from "node:url";

export const FRAMEWORKS = ["express", "fastify", "hono"] as const;

/** Where an example stands, e.g. `rbac` for Express. */
export function pathOfExample(name: string, framework: string): string {
  return fileURLToPath(new URL(`../${name}-${framework}.ts`, import.meta.url));
}

export interface ExampleServer {
  readonly url: string;
  stop(): void;
}

export async function startExample(path: string): Promise<ExampleServer> {
  const server = spawn(process.execPath, ["--conditions=@portcullis/source", "--import", "tsx", path], {
    env: { ...process.env, PORT: "0" },
    stdio: ["ignore", "pipe", "inherit"],
  });
  const port = await new Promise<string>((resolve, reject) => {
    let told = "";
    server.stdout.on("data", (text: Buffer) => {
      told += text.toString("utf8");
      const [, found] = /port: (\d+)/.exec(told) ?? [];
      if (found !== undefined) resolve(found);
    });
    server.once("exit", (code) => reject(new Error(`The example ended with ${code}.`)));
  });
  return { url: `http://localhost:${port}`, stop: () => void server.kill() };
}
