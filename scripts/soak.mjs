#!/usr/bin/env node
// The tests whose sizes grow with time at hand, at their full sizes: two minutes. `npm test` runs them smaller.
import { spawn } from "node:child_process";

const env = { ...process.env, PORTCULLIS_SOAK: "true" };
spawn("node_modules/.bin/vitest", ["run", "-t", "RL-01|RL-02|RL-30|RBAC-4 RBAC-5 RBAC-8|RBAC-6 agrees"], { stdio: "inherit", env }).once(
  "exit",
  (code) => {
    process.exitCode = code ?? 1;
  },
);
