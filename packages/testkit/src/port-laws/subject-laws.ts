import assert from "node:assert/strict";
import { atOnce, AWKWARD_KEYS, isSnapshot, lawsOf, same } from "./port-law.js";

const DEFAULTS = Object.freeze({ tokenVersion: 1, passwordVersion: 1, claimsVersion: 1, disabled: false });

export const subjectLaws = lawsOf("subjects", [
  {
    id: "SUBJECTS-01",
    title: "a subject never written is at version 1, 1, 1 and not disabled",
    async run(subjects) {
      same(await subjects.read("ada"), DEFAULTS);
      await subjects.bump("bob", "tokenVersion");
      same(await subjects.read("ada"), DEFAULTS);
    },
  },
  {
    id: "SUBJECTS-02",
    title: "100 bumps at once add 100, and each answers with a version of its own",
    async run(subjects) {
      const states = await atOnce(100, () => subjects.bump("ada", "tokenVersion"));
      assert.equal(new Set(states.map(({ tokenVersion }) => tokenVersion)).size, 100);
      same(await subjects.read("ada"), { ...DEFAULTS, tokenVersion: 101 });
    },
  },
  {
    id: "SUBJECTS-03",
    title: "each change leaves the others alone, and answers with the state after it",
    async run(subjects) {
      same(await subjects.setDisabled("ada", true), { ...DEFAULTS, disabled: true });
      same(await subjects.bump("ada", "passwordVersion"), { ...DEFAULTS, passwordVersion: 2, disabled: true });
      same(await subjects.bump("ada", "tokenVersion"), { ...DEFAULTS, tokenVersion: 2, passwordVersion: 2, disabled: true });
      const after = { tokenVersion: 2, passwordVersion: 2, claimsVersion: 2 };
      same(await subjects.bump("ada", "claimsVersion"), { ...after, disabled: true });
      same(await subjects.setDisabled("ada", false), { ...after, disabled: false });
      same(await subjects.read("ada"), { ...after, disabled: false });
    },
  },
  {
    id: "SUBJECTS-04",
    title: "bumps and switches at once are all there afterwards",
    async run(subjects) {
      const versions = ["tokenVersion", "passwordVersion", "claimsVersion"] as const;
      await atOnce(120, (index) => {
        const version = versions[index % 4];
        return version === undefined ? subjects.setDisabled("ada", true) : subjects.bump("ada", version);
      });
      same(await subjects.read("ada"), { tokenVersion: 31, passwordVersion: 31, claimsVersion: 31, disabled: true });
    },
  },
  {
    id: "SUBJECTS-05",
    title: "awkward ids are each their own",
    async run(subjects) {
      for (const id of AWKWARD_KEYS) same(await subjects.bump(id, "tokenVersion"), { ...DEFAULTS, tokenVersion: 2 }, JSON.stringify(id));
    },
  },
  {
    id: "SUBJECTS-06",
    title: "results are snapshots",
    async run(subjects) {
      await isSnapshot(() => subjects.read("ada"));
      await subjects.bump("ada", "tokenVersion");
      await isSnapshot(() => subjects.read("ada"));
    },
  },
  {
    id: "SUBJECTS-07",
    title: "each version counts by itself, from the first bump of a subject never written on",
    async run(subjects) {
      for (const version of ["tokenVersion", "passwordVersion", "claimsVersion"] as const) {
        same(await subjects.bump(version, version), { ...DEFAULTS, [version]: 2 });
        same(await subjects.bump(version, version), { ...DEFAULTS, [version]: 3 });
        same(await subjects.read(version), { ...DEFAULTS, [version]: 3 });
      }
    },
  },
]);
