// Everything that is measured on one framework: name, what it is for, how it starts, and what it must answer.
import type { Logger } from "pino";
import { expressFramework } from "./express.js";
import { fastifyFramework } from "./fastify.js";
import { honoFramework } from "./hono.js";
import { createPortcullisGuards, type MountedGuards } from "./portcullis-guards.js";
import { nullLogger, type Served, type Setting } from "./service.js";

/** What a framework can be set up as. */
export interface Framework {
  /** Handlers alone. */
  bare(): Promise<Served["listening"]>;
  /** Our guards, and the same handlers. */
  portcullis(guards: MountedGuards): Promise<Served["listening"]>;
  /** Compositions of what is popular with this framework, by what they are made of. */
  readonly popular: Readonly<Record<string, (setting: Setting, logger: Logger | undefined) => Promise<Served>>>;
}

/** - `guard`: one of ours alone. `chain`, `popular`: all duties, ours and theirs. */
export type ConfigurationKind = "bare" | "guard" | "chain" | "popular";

/** One of the things that are compared. */
export interface Configuration {
  readonly name: string;
  readonly kind: ConfigurationKind;
  /** Whether it writes one log line for each request. */
  readonly logs: boolean;
  /** Whether it must refuse bad tokens. */
  readonly authenticates: boolean;
  /** Whether it must refuse the role that may not. */
  readonly authorises: boolean;
  start(setting: Setting): Promise<Served>;
}

const FRAMEWORKS: Readonly<Record<string, Framework>> = { express: expressFramework, fastify: fastifyFramework, hono: honoFramework };

export const FRAMEWORK_NAMES: readonly string[] = Object.keys(FRAMEWORKS);

/** All configurations of a framework. @throws {RangeError} There is no such framework. */
export function configurationsOf(name: string): readonly Configuration[] {
  const framework = FRAMEWORKS[name];
  if (framework === undefined) throw new RangeError(`No framework "${name}": one of ${FRAMEWORK_NAMES.join(", ")}.`);
  return [bare(framework), ...guards(framework), ...chains(framework), ...popular(framework)];
}

const NO_TOKENS = { good: ["none"], bad: "none", forbidden: "none" };
const OPEN = { logs: false, authenticates: false, authorises: false };
const GUARDED = { authenticates: true, authorises: true };

function bare(framework: Framework): Configuration {
  return { name: "bare", kind: "bare", ...OPEN, start: async () => ({ listening: await framework.bare(), tokens: NO_TOKENS }) };
}

function guards(framework: Framework): readonly Configuration[] {
  const names = Object.keys(createPortcullisGuards({ callers: 0, callerLimit: 1 }).alone);
  return names.map((name) => ({
    ...OPEN,
    name,
    kind: "guard",
    authenticates: name === "authenticate",
    async start(setting) {
      const made = createPortcullisGuards(setting);
      const listening = await framework.portcullis({ everywhere: made.alone[name] ?? [], read: [], create: [] });
      return { listening, tokens: await made.tokens() };
    },
  }));
}

function chains(framework: Framework): readonly Configuration[] {
  return [false, true].map((logs) => ({
    ...GUARDED,
    name: logs ? "portcullis, logging" : "portcullis",
    kind: "chain",
    logs,
    async start(setting) {
      const made = createPortcullisGuards(setting);
      return { listening: await framework.portcullis(made.full(logs ? nullLogger() : undefined)), tokens: await made.tokens() };
    },
  }));
}

function popular(framework: Framework): readonly Configuration[] {
  return Object.entries(framework.popular).flatMap(([name, start]) =>
    [false, true].map((logs) => ({
      ...GUARDED,
      name: logs ? `${name}, logging` : name,
      kind: "popular" as const,
      logs,
      start: (setting: Setting) => start(setting, logs ? nullLogger() : undefined),
    })),
  );
}
