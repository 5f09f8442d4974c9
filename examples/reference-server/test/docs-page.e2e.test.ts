import { chromium } from "playwright-core";
import { expect, it } from "vitest";
import { chromiumPath, describeWith } from "../../../tools/test-services/connect.js";
import { startService } from "./start-service.js";

describeWith("chromium", "the documentation page in a browser", () => {
  it.each([360, 1440])("loads under its own policy, without an error or a request elsewhere, %i pixels wide", async (width) => {
    const world = await startService("hono", "memory");
    const browser = await chromium.launch({
      executablePath: chromiumPath(),
      args: ["--no-sandbox", "--disable-gpu", "--disable-background-networking"],
    });
    try {
      const page = await browser.newPage({ viewport: { width, height: 900 } });
      const complaints: string[] = [];
      const requests: string[] = [];
      page.on("console", (message) => void (message.type() === "error" && complaints.push(message.text())));
      page.on("pageerror", (error) => void complaints.push(error.message));
      page.on("request", (request) => void requests.push(new URL(request.url()).origin));
      await page.goto(`${world.url()}/docs`);
      expect(await page.title()).toBe("Portcullis reference server");
      await page.getByText("/api/workflows/{id}/execute").click();
      expect(await page.locator("details[open] pre").first().isVisible()).toBe(true);
      // No sideways scrolling, and the style was really applied.
      expect(await page.evaluate("document.documentElement.scrollWidth <= window.innerWidth")).toBe(true);
      expect(await page.evaluate("getComputedStyle(document.body).maxWidth")).toBe("960px");
      if (process.env["PORTCULLIS_SCREENSHOTS"] !== undefined)
        await page.screenshot({ path: `${process.env["PORTCULLIS_SCREENSHOTS"]}/docs-${width}.png` });
      expect(complaints).toEqual([]);
      expect(new Set(requests)).toEqual(new Set([world.url()]));
    } finally {
      await browser.close();
      await world.close();
    }
  });
});
