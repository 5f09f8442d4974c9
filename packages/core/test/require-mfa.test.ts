import {
  ALLOW,
  callerOf,
  createFacts,
  freezePrincipal,
  hasSecondFactor,
  type Principal,
  principalFact,
  requireMfa,
  resolvedPrincipalFact,
  userPrincipal,
} from "@portcullis/core";
import { createManualClock } from "@portcullis/testkit";
import { describe, expect, it } from "vitest";

const clock = createManualClock(1_000_000_000);
const NOW = clock.now();
const base = { id: "x", orgId: undefined, workspaceId: undefined, roles: ["admin"], orgRoles: [], scopes: undefined };
const mfaBypass = { id: "bypass-1", expiresAt: NOW + 1 };
const key: Principal = { ...base, type: "apiKey", ownerId: "svc", keyId: "x", authMethod: "apiKey", mfaBypass };
const service: Principal = { ...base, type: "service", name: "indexer", authMethod: "system", mfaBypass };
const system: Principal = { ...base, type: "system", audience: "reports", authMethod: "system", mfaBypass };

const verdictOf = (principal: Principal | undefined, guard = requireMfa({ clock, maxAgeMs: 1 })) => {
  const facts = createFacts();
  if (principal !== undefined) facts.set(principalFact, principal);
  return guard.check({ facts } as Parameters<typeof guard.check>[0]); // the guard reads nothing else
};

describe("requireMfa", () => {
  it("AUTH-M4 a program passes with a bypass until the instant it ends, however recent a person's proof must be", () => {
    for (const principal of [key, service, system]) {
      expect(verdictOf(principal)).toBe(ALLOW);
      expect(verdictOf({ ...principal, mfaBypass: { id: "bypass-1", expiresAt: NOW } })).not.toBe(ALLOW);
      expect(verdictOf({ ...principal, mfaBypass: undefined })).toMatchObject({ problem: { code: 1010 } });
      expect(verdictOf({ ...principal, via: "gateway" })).toMatchObject({ problem: { code: 1010 } });
    }
  });

  it("AUTH-M4 a person has no bypass, and what is no bypass is none", () => {
    const person = { ...userPrincipal({ id: "ada", roles: ["admin"] }), mfaBypass } as unknown as Principal;
    expect(verdictOf(person)).toMatchObject({ problem: { code: 1010 } });
    for (const odd of [null, true, "bypass-1", {}, { id: "" }, { id: "a", expiresAt: "9" }, { expiresAt: Infinity }, [mfaBypass]]) {
      expect(verdictOf({ ...key, mfaBypass: odd as never })).toMatchObject({ problem: { code: 1010 } });
    }
    expect(verdictOf({ ...key, mfaBypass: { id: "a", expiresAt: Number.NaN } })).not.toBe(ALLOW);
    expect(verdictOf({ ...key, mfaBypass: Object.create(mfaBypass) as never })).not.toBe(ALLOW);
  });

  it("a frozen principal's bypass is a frozen copy", () => {
    const frozen = freezePrincipal(key) as typeof key;
    expect(frozen.mfaBypass).toEqual(mfaBypass);
    expect(Object.isFrozen(frozen.mfaBypass) && frozen.mfaBypass !== mfaBypass).toBe(true);
  });

  it("a bound that only a polluted prototype has changes nothing", () => {
    const old = userPrincipal({ id: "ada", roles: [], mfaAt: 1 });
    Reflect.defineProperty(Object.prototype, "maxAgeMs", { value: 5, configurable: true });
    const answer = hasSecondFactor(old, NOW);
    Reflect.deleteProperty(Object.prototype, "maxAgeMs");
    expect(answer).toBe(true);
  });

  it("the principal with the roles of now goes before that of the credential", () => {
    const facts = createFacts();
    expect(callerOf({ facts })).toBeUndefined();
    facts.set(principalFact, key);
    expect(callerOf({ facts })).toBe(key);
    facts.set(resolvedPrincipalFact, service);
    expect(callerOf({ facts })).toBe(service);
  });
});
