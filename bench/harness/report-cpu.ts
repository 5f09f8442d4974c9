// The server's side of measured-server.ts.

/** Tells the parent that the server is ready, then answers each question with the CPU time used so far. */
export function reportCpu(ready: unknown): void {
  process.on("message", (question) => {
    if (question === "exit") process.exit(0);
    const { user, system } = process.cpuUsage();
    process.send?.(user + system);
  });
  process.on("disconnect", () => process.exit(0)); // the parent is gone
  process.send?.(ready);
}
