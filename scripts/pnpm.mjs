#!/usr/bin/env node
// Runs the pnpm this repository pins, whether or not pnpm is installed, so that a fresh clone needs only Node.
import { spawnSync } from "node:child_process";
import { readFileSync } from "node:fs";

const manifest = JSON.parse(readFileSync(new URL("../package.json", import.meta.url), "utf8"));
const version = /^pnpm@([^+]+)/.exec(manifest.packageManager)[1];
const shell = process.platform === "win32";
const found = spawnSync("pnpm", ["--version"], { encoding: "utf8", shell });
const [command, prefix] = found.stdout?.trim() === version ? ["pnpm", []] : ["npx", ["--yes", `pnpm@${version}`]];
const { status, error } = spawnSync(command, [...prefix, ...process.argv.slice(2)], { stdio: "inherit", shell });
if (error) throw error;
process.exit(status ?? 1);
