import { createHmac } from "node:crypto";
import { createClientIpResolver } from "@portcullis/core";
import type { AuthSettings } from "../auth-settings.js";
import type { Instruments } from "../instruments.js";
import type { ClientContext } from "../sessions/session-data.js";
import { createDeviceTokens, type DeviceTokens } from "./device-tokens.js";
import { createGuessLine, type Guess, type GuessLine } from "./guess-line.js";
import { createLockout, type Lockout, type Locked } from "./lockout.js";

/** From where somebody logs in. */
export interface LoginClient extends ClientContext {
  /** The device token of an earlier login; see `lockout.deviceTtlMs`. */
  readonly device?: string | undefined;
}

/** Who is counted for a guess at a password. */
export interface Guesser {
  /** As `normaliseEmail` gives it. */
  readonly email: string;
  /** The account's, or of nobody; the store is asked for both. */
  readonly subjectId: string | undefined;
  readonly client: LoginClient;
}

/** Lockout of password guesses: by account, by account and network, with a way past for known devices. */
export interface PasswordLockout {
  /** What events and counters call an address. */
  hashOf(email: string): string;
  run<T>(guesser: Guesser, check: () => Promise<Guess<T>>): Promise<Locked | { readonly kind: "checked"; readonly value: T }>;
  /** Forgets what failed for this address, from the network of the caller, and unlocks it. */
  forgive(email: string, client: LoginClient): Promise<void>;
  /** `undefined` where known devices are not wanted. */
  readonly devices: DeviceTokens | undefined;
}

/** One counter that a guess must pass. */
interface Level {
  readonly lockout: Lockout;
  readonly line: GuessLine;
  readonly hash: string;
}

export function createPasswordLockout(settings: AuthSettings, instruments: Instruments): PasswordLockout {
  const { clock, lockout: options, random, secrets, store } = settings;
  const { scope, threshold, accountThreshold, deviceTtlMs } = options;
  const make = (purpose: string, limit: number): Pick<Level, "lockout" | "line"> => {
    const lockout = createLockout(store.counters, { ...options, threshold: limit }, secrets.current, purpose, instruments);
    return { lockout, line: createGuessLine(lockout, clock) };
  };
  const byAccount = make("password", scope === "account" ? threshold : accountThreshold);
  const byNetwork = make("password-network", threshold);
  const byDevice = make("password-device", threshold);
  const devices = deviceTtlMs === 0 ? undefined : createDeviceTokens(secrets, deviceTtlMs, random, () => clock.now());
  const { hashOf } = byAccount.lockout;

  const networkLevel = (hash: string, ip: string | undefined): Level => {
    const network = createHmac("sha256", secrets.current.key)
      .update(`lockout network\0${networkOf(ip)}`)
      .digest("base64url");
    return { ...byNetwork, hash: `${hash}/${network.slice(0, 16)}` };
  };

  async function levelsOf({ email, subjectId, client }: Guesser): Promise<{ readonly near: Level; readonly wide?: Level }> {
    const hash = hashOf(email);
    if (devices !== undefined && client.device !== undefined) {
      const { passwordVersion } = await store.subjects.read(subjectId ?? hash);
      const device = devices.read(client.device, email, passwordVersion);
      if (device !== undefined) return { near: { ...byDevice, hash: `${hash}/${device}` } };
    }
    const account = { ...byAccount, hash };
    return scope === "account" ? { near: account } : { near: networkLevel(hash, client.ip), wide: account };
  }

  return Object.freeze({
    hashOf,
    devices,
    async run<T>(guesser: Guesser, check: () => Promise<Guess<T>>): Promise<Locked | { readonly kind: "checked"; readonly value: T }> {
      const { near, wide } = await levelsOf(guesser);
      if (wide === undefined) return near.line.run(near.hash, check);
      // Before anything is reserved: while the account is locked, nothing counts against a network.
      const lock = await wide.lockout.lockOf(wide.hash);
      if (lock !== undefined) return lock;
      const outer = await near.line.run(near.hash, async () => {
        const inner = await wide.line.run(wide.hash, async () => {
          const guess = await check();
          return { isRight: guess.isRight, value: guess };
        });
        return { isRight: inner.kind === "checked" && inner.value.isRight, value: inner };
      });
      if (outer.kind === "locked") return outer;
      const inner = outer.value;
      return inner.kind === "locked" ? inner : { kind: "checked", value: inner.value.value };
    },
    async forgive(email: string, client: LoginClient): Promise<void> {
      const hash = hashOf(email);
      await byAccount.lockout.succeeded(hash);
      if (scope === "account-and-network") await byNetwork.lockout.succeeded(networkLevel(hash, client.ip).hash);
    },
  });
}

const resolve = createClientIpResolver();

/** An IPv4 address, or the /64 of an IPv6 one, whatever its spelling; all without an address are one network. */
export function networkOf(ip: string | undefined): string {
  return resolve({ ip, header: () => undefined, headerCount: () => 0 }).key;
}
