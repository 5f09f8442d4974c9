// What is remembered of verified tokens. Time is the manual clock's.
import { createMemoryStore, type Ports } from "@portcullis/core";
import { createManualClock } from "@portcullis/testkit";
import { describe, expect, it } from "vitest";
import { TokenCache } from "../src/tokens/token-cache.js";
import type { VerifiedEntry } from "../src/tokens/verified-token.js";
import { codeOf, createFixture, PEPPER, SECRET, valueOf, wrapPort } from "./auth-fixture.js";

const subject = { userId: "ada", role: ["admin", "member"], orgRoles: ["org_owner"], personas: ["ceo"], scopedDepartments: ["sales"] };

/** A copy that is another string object, as a second request brings it. */
function again(token: string): string {
  return Buffer.from(token).toString();
}

function counting(store: ReturnType<typeof createMemoryStore>): { readonly store: typeof store; readonly asked: string[] } {
  const asked: string[] = [];
  const count = <Port extends keyof Ports>(name: Port): (typeof store)[Port] =>
    wrapPort(store[name], (method, called) => (...args) => {
      asked.push(`${name}.${called}`);
      return method(...args);
    });
  return { store: { ...store, subjects: count("subjects"), sessions: count("sessions"), tickets: count("tickets") }, asked };
}

describe("AUTH-J12 a token that was verified before", () => {
  it("is looked at anew on every hit: subject, blacklist and session", async () => {
    const clock = createManualClock();
    const { store, asked } = counting(createMemoryStore({ clock }));
    const { auth } = createFixture({ store, clock });
    const { accessToken } = await auth.createTokenPair(subject);
    for (let time = 0; time < 3; time += 1) {
      asked.length = 0;
      expect(codeOf(await auth.verifyAccessToken(again(accessToken)))).toBe("ok");
      expect(asked).toEqual(["subjects.read", "tickets.peek", "sessions.find"]);
    }
  });

  it("answers without a promise while the store does, and with the very same frozen value", async () => {
    const { auth } = createFixture();
    const { accessToken } = await auth.createTokenPair(subject);
    const results = [auth.verifyAccessToken(accessToken), auth.verifyAccessToken(again(accessToken))];
    for (const result of results) if (result instanceof Promise) expect.unreachable();
    expect(results[1]).toBe(results[0]);
  });

  it("is good until the last ms before its expiry, and not at it", async () => {
    for (const ttlMs of [1_000, 3_600_000]) {
      const { auth, clock } = createFixture({ sessions: { accessTtlMs: ttlMs } });
      const { accessToken, accessExpiresAt } = await auth.createTokenPair(subject);
      for (const beforeMs of [1_000, 1]) {
        if (accessExpiresAt - clock.now() > beforeMs) clock.advance(accessExpiresAt - clock.now() - beforeMs);
        expect(codeOf(await auth.verifyAccessToken(again(accessToken)))).toBe("ok");
      }
      clock.advance(1);
      expect(codeOf(await auth.verifyAccessToken(again(accessToken)))).toBe(1003);
      clock.advance(1_000);
      expect(codeOf(await auth.verifyAccessToken(accessToken))).toBe(1003);
    }
  });

  it("is not yet good again when the wall clock is set back, and good when it comes to itself", async () => {
    const { auth, clock } = createFixture();
    const { accessToken, accessExpiresAt } = await auth.createTokenPair(subject);
    expect(codeOf(await auth.verifyAccessToken(accessToken))).toBe("ok");
    clock.set(accessExpiresAt);
    expect(codeOf(await auth.verifyAccessToken(accessToken))).toBe(1003);
    clock.set(accessExpiresAt - 1);
    expect(codeOf(await auth.verifyAccessToken(accessToken))).toBe("ok");
  });

  it("is refused when its version, its password version, its id, its session or its claims went, each alone", async () => {
    type Store = ReturnType<typeof createFixture>["store"];
    const ends: Record<string, [(store: Store, sessionId: string, tokenId: string) => unknown, number]> = {
      tv: [(store) => store.subjects.bump("ada", "tokenVersion"), 1004],
      pwd_sig: [(store) => store.subjects.bump("ada", "passwordVersion"), 1004],
      cv: [(store) => store.subjects.bump("ada", "claimsVersion"), 1003],
      disabled: [(store) => store.subjects.setDisabled("ada", true), 1004],
      blacklist: [(store, _sid, tokenId) => store.tickets.put(`auth:revoked:${tokenId}`, "1", 60_000), 1004],
      session: [(store, sessionId) => store.sessions.revoke("ada", { id: sessionId }), 1004],
    };
    for (const [what, [end, code]] of Object.entries(ends)) {
      const { auth, store } = createFixture();
      const { accessToken, sessionId } = await auth.createTokenPair(subject);
      const { tokenId } = valueOf(await auth.verifyAccessToken(accessToken));
      await end(store, sessionId, tokenId);
      expect([what, codeOf(await auth.verifyAccessToken(again(accessToken)))]).toEqual([what, code]);
    }
  });

  it("cannot be changed by whoever was given it", async () => {
    const { auth } = createFixture();
    const { accessToken } = await auth.createTokenPair(subject, { amr: ["pwd"] });
    const token = valueOf(await auth.verifyAccessToken(accessToken));
    const frozen = (value: unknown): boolean =>
      typeof value !== "object" || value === null || (Object.isFrozen(value) && Object.values(value).every(frozen));
    expect(frozen(await auth.verifyAccessToken(accessToken))).toBe(true);
    const { principal } = token as unknown as { principal: { roles: string[]; personas: string[]; id: string } };
    expect(() => principal.roles.push("owner")).toThrow(TypeError);
    expect(() => principal.personas.push("cfo")).toThrow(TypeError);
    expect(() => (principal.id = "eve")).toThrow(TypeError);
    expect(() => Object.assign(token, { expiresAt: Infinity })).toThrow(TypeError);
    expect(() => Object.setPrototypeOf(token, null)).toThrow(TypeError);
    expect(valueOf(await auth.verifyAccessToken(again(accessToken))).principal.roles).toEqual(["admin", "member"]);
  });

  it("is found by its whole text: no other text with its signature, header or claims is taken for it", async () => {
    const { auth } = createFixture();
    const { accessToken } = await auth.createTokenPair(subject);
    expect(codeOf(await auth.verifyAccessToken(accessToken))).toBe("ok");
    const [header = "", payload = "", signature = ""] = accessToken.split(".");
    const claims = JSON.parse(Buffer.from(payload, "base64url").toString()) as Record<string, unknown>;
    const forgedPayload = Buffer.from(JSON.stringify({ ...claims, sub: "eve" })).toString("base64url");
    const others = [
      `${header}.${forgedPayload}.${signature}`,
      `${header}.${payload}=.${signature}`,
      `${header}.${payload}..${signature}`,
      ` ${accessToken}`,
      `${accessToken} `,
      `x${accessToken}`,
      signature,
      `.${signature}`,
      `..${signature}`,
      accessToken.slice(1),
    ];
    for (const other of others) expect([other, codeOf(await auth.verifyAccessToken(other))]).toEqual([other, 1002]);
    expect(codeOf(await auth.verifyAccessToken(accessToken))).toBe("ok");
  });

  it("is known to its own verifier only: other issuers, audiences and secrets decide for themselves", async () => {
    const { auth, store, users, clock } = createFixture({ issuer: "one", audience: "api" });
    const { accessToken } = await auth.createTokenPair(subject);
    expect(codeOf(await auth.verifyAccessToken(accessToken))).toBe("ok");
    const options = { store, users, clock, secrets: SECRET, apiKeyPeppers: PEPPER };
    for (const other of [
      { issuer: "two", audience: "api" },
      { issuer: "one", audience: "other" },
      { issuer: "one", audience: "api", secrets: `${SECRET}x` },
    ]) {
      const { auth: stranger } = createFixture({ ...options, ...other });
      expect(codeOf(await stranger.verifyAccessToken(accessToken))).toBe(1002);
      expect(codeOf(await auth.verifyAccessToken(accessToken))).toBe("ok");
    }
  });

  it("does not stay refused: what a fault or a refusal said of it is not remembered", async () => {
    const memory = createMemoryStore();
    let isDown = true;
    const subjects = wrapPort(memory.subjects, (method) => (...args) => {
      if (isDown) throw new Error("down");
      return method(...args);
    });
    const { auth } = createFixture({ store: { ...memory, subjects } });
    isDown = false;
    const { accessToken } = await auth.createTokenPair(subject);
    isDown = true;
    for (let time = 0; time < 2; time += 1) await expect((async () => auth.verifyAccessToken(accessToken))()).rejects.toThrow("down");
    isDown = false;
    expect(codeOf(await auth.verifyAccessToken(accessToken))).toBe("ok");
    await memory.subjects.setDisabled("ada", true);
    expect(codeOf(await auth.verifyAccessToken(accessToken))).toBe(1004);
    await memory.subjects.setDisabled("ada", false);
    expect(codeOf(await auth.verifyAccessToken(accessToken))).toBe("ok");
  });

  it("no value that is not a string is one", async () => {
    const { auth } = createFixture();
    for (const value of [undefined, null, 7, {}, [], ["a.b.c"], { slice: () => "a.b.c" }, Buffer.from("a.b.c")]) {
      expect(codeOf(await auth.verifyAccessToken(value as string))).toBe(1002);
    }
  });

  it("is verified just as well when nothing, or only one token, is remembered", async () => {
    for (const tokenCacheEntries of [0, 1]) {
      const { auth } = createFixture({ tokenCacheEntries });
      const pairs = await Promise.all(Array.from({ length: 5 }, async () => auth.createTokenPair(subject)));
      for (const { accessToken } of [...pairs, ...pairs]) expect(codeOf(await auth.verifyAccessToken(accessToken))).toBe("ok");
    }
  });
});

describe("the places for verified tokens", () => {
  const entryFor = (name: string): VerifiedEntry => ({ token: `header.claims.${name.padEnd(43, "A")}`, isInUse: false }) as VerifiedEntry; // all that the cache looks at

  it("AUTH-J12 are never more than were asked for", () => {
    for (const most of [0, 1, 7]) {
      const cache = new TokenCache(most);
      for (let index = 0; index < 50; index += 1) {
        cache.add(entryFor(`t${index}`));
        expect(cache.size).toBe(Math.min(most, index + 1));
      }
    }
  });

  it("keep who is asked for and give up who is not", () => {
    const cache = new TokenCache(3);
    const [one, two, three, four, five] = ["one", "two", "three", "four", "five"].map(entryFor) as [
      VerifiedEntry,
      VerifiedEntry,
      VerifiedEntry,
      VerifiedEntry,
      VerifiedEntry,
    ]; // as many as names
    for (const entry of [one, two, three]) cache.add(entry);
    cache.get(one.token);
    cache.add(four);
    expect([one, two, three, four].map(({ token }) => cache.get(token) !== undefined)).toEqual([true, false, true, true]);
    // Everybody was asked for: one goes all the same.
    cache.add(five);
    expect(cache.size).toBe(3);
    expect(cache.get(five.token)).toBe(five);
  });

  it("are given back by their own entry only, and a text verified twice takes one", () => {
    const cache = new TokenCache(3);
    const [first, second] = [entryFor("same"), entryFor("same")];
    cache.add(first);
    cache.add(second);
    expect(cache.size).toBe(1);
    cache.delete(first);
    expect(cache.get(first.token)).toBe(second);
    cache.delete(second);
    expect(cache.size).toBe(0);
  });
});
