// The process of one configuration: framework, name and number of callers are its arguments.
import { reportCpu } from "../harness/report-cpu.js";
import { configurationsOf } from "./configurations.js";
import type { Tokens } from "./service.js";

/** What the process says when it serves. */
export interface Ready {
  readonly port: number;
  readonly tokens: Tokens;
}

const [framework = "", name, callers] = process.argv.slice(2);
const configuration = configurationsOf(framework).find((each) => each.name === name);
if (configuration === undefined) throw new RangeError(`No configuration "${name}" of ${framework}.`);
const { listening, tokens } = await configuration.start({ callers: Number(callers), callerLimit: 1_000_000 });
const ready: Ready = { port: listening.port, tokens };
reportCpu(ready);
