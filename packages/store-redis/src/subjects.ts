import type { Subjects, SubjectState, SubjectVersion } from "@portcullis/core";
import { keyOf } from "./redis-key.js";
import { toList, toNumber } from "./redis-reply.js";
import { readScript, type RunScript } from "./redis-script.js";

const script = readScript("subjects");

/** Revocation state on Redis. Only subjects that were ever changed take space; they are kept for good. */
export function createRedisSubjects(run: RunScript, prefix: string): Subjects {
  const keys = (subjectId: string): readonly string[] => [keyOf(prefix, "subject", subjectId)];
  return Object.freeze({
    read: async (subjectId: string) => toState(await run(script, "subjects.read", keys(subjectId))),
    bump: async (subjectId: string, version: SubjectVersion) => toState(await run(script, "subjects.bump", keys(subjectId), [version])),
    setDisabled: async (subjectId: string, disabled: boolean) =>
      toState(await run(script, "subjects.setDisabled", keys(subjectId), [disabled ? "1" : "0"])),
  });
}

function toState(reply: unknown): SubjectState {
  const [tokenVersion, passwordVersion, claimsVersion, disabled] = toList(reply);
  return Object.freeze({
    tokenVersion: toNumber(tokenVersion),
    passwordVersion: toNumber(passwordVersion),
    claimsVersion: toNumber(claimsVersion),
    disabled: disabled === "1",
  });
}
