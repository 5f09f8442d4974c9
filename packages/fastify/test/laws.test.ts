import { adapterLawsFor } from "@portcullis/testkit";
import { describe, expect, test } from "vitest";
import { hosts } from "./fastify-host.js";

for (const host of hosts) {
  describe(`the adapter laws on ${host.name}`, () => {
    for (const law of adapterLawsFor(host)) {
      test(`${law.id} ${law.title}`, async () => {
        await expect(law.run(host)).resolves.toBeUndefined();
      });
    }
  });
}
