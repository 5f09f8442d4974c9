// The comparison is fair only if every configuration does the work: no times here, only answers.
import { describe, expect, test } from "vitest";
import { configurationsOf, FRAMEWORK_NAMES } from "../full-chain/configurations.js";
import { READ_PATH } from "../full-chain/service.js";
import { headersOf, verify } from "../full-chain/verify.js";

for (const framework of FRAMEWORK_NAMES) {
  describe(framework, () => {
    for (const configuration of configurationsOf(framework)) {
      test(`${configuration.name} answers as it must`, async () => {
        const served = await configuration.start({ callers: 2, callerLimit: 1000 });
        try {
          await verify(configuration, served);
        } finally {
          await served.listening.close();
        }
      });
      if (!configuration.authorises) continue;
      test(`${configuration.name} limits each caller for itself`, async () => {
        const { listening, tokens } = await configuration.start({ callers: 2, callerLimit: 2 });
        try {
          const ask = async (token = ""): Promise<number> =>
            (await fetch(`http://127.0.0.1:${listening.port}${READ_PATH}`, { headers: headersOf(token) })).status;
          const [one, other] = tokens.good;
          expect([await ask(one), await ask(one), await ask(one), await ask(other)]).toEqual([200, 200, 429, 200]);
        } finally {
          await listening.close();
        }
      });
    }
  });
}

test("there is no configuration of an unknown framework", () => {
  expect(() => configurationsOf("koa")).toThrow('No framework "koa"');
});
