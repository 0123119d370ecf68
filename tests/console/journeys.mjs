// Ways of people through the console, in a real browser. Arguments: the directory of the packages, and the data as JSON.
// Prints one JSON line with the failures; none is a success.
import { createRequire } from "node:module";
import { mkdirSync, readFileSync } from "node:fs";
import { join } from "node:path";

const [home, text] = process.argv.slice(2);
const given = JSON.parse(text);
const require = createRequire(join(home, "package.json"));
const { chromium } = require("playwright-core");
const axe = readFileSync(require.resolve("axe-core/axe.min.js"), "utf8");

// Chromium reports a refused page, and a stream of news that ends with its page.
const expected = /status of (401|404)|^\[object Event\]$/;
const failures = [];
const check = (what, good, detail = "") => { if (!good) failures.push(`${what} ${detail}`.trim()); };
const browser = await chromium.launch({ executablePath: given.chromium, args: ["--no-sandbox"] });
const sizes = { wide: { width: 1360, height: 900 }, phone: { width: 390, height: 844 } };
mkdirSync(given.out, { recursive: true });

async function signIn(token, options = {}) {
  const context = await browser.newContext({ baseURL: given.url, viewport: sizes.wide, timezoneId: "Europe/Berlin", ...options });
  const page = await context.newPage();
  page.on("console", (line) => { if (line.type() === "error" && !expected.test(line.text())) failures.push(`${page.url()} console: ${line.text()}`); });
  page.on("pageerror", (error) => failures.push(`${page.url()} script: ${error.message}`));
  await page.goto("/login");
  await page.fill("input[name=token]", token);
  await page.click("form[action='/login'] button");
  await page.waitForLoadState("load");
  check("signed in", new URL(page.url()).pathname === "/", page.url());
  return page;
}

// Every page in both themes at two widths: axe finds nothing, nothing is wider than the screen.
async function looks() {
  for (const theme of ["light", "dark"]) {
    for (const [size, viewport] of Object.entries(sizes)) {
      const page = await signIn(given.raw, { colorScheme: theme, viewport, bypassCSP: true });
      for (const [name, path] of Object.entries(given.pages)) {
        await page.goto(path);
        await page.screenshot({ path: join(given.out, `${name}-${size}-${theme}.png`), fullPage: true });
        const wide = await page.evaluate(() => document.documentElement.scrollWidth - innerWidth);
        check(`${name} ${size} is wider than the screen by`, wide <= 0, String(wide));
        await page.addScriptTag({ content: axe });
        const tags = ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa", "best-practice"];
        const found = await page.evaluate((tags) => axe.run(document, { runOnly: tags }), tags);
        for (const one of found.violations) {
          failures.push(`${name} ${size} ${theme}: ${one.id} at ${one.nodes.map((node) => node.target.join(" ") + " " + (node.any[0]?.message ?? "")).slice(0, 3).join(" | ")}`);
        }
      }
      await page.context().close();
    }
  }
}

// The queue, with keys only.
async function keyboard() {
  const page = await signIn(given.desk);
  await page.keyboard.press("g");
  await page.keyboard.press("q");
  await page.waitForURL("**/queue");
  await page.keyboard.press("?");
  check("the sheet of keys opens", await page.isVisible("dialog#keys"));
  await page.keyboard.press("Escape");
  const name = await page.textContent("h1");
  await page.keyboard.press("1");
  check("a choice leads to the reason", await page.evaluate(() => document.activeElement.id === "reason"));
  await page.keyboard.type("Seen in a video call");
  await page.keyboard.press("Control+Enter");
  await page.waitForSelector(".note.good");
  check("the decision is confirmed", (await page.textContent(".note.good")).includes("You decided"), name);
  check("the next of the queue is shown", new URL(page.url()).pathname === "/queue", page.url());
  await page.context().close();
}

// Two people, the second without JavaScript; the first page sees the news.
async function twoPeople() {
  const first = await signIn(given.desk);
  await first.goto(`/cases/${given.two}`);
  const watcher = await signIn(given.raw);
  await watcher.goto(`/cases/${given.two}`);
  await first.check(`input[value=${given.decision}]`);
  await first.fill("#reason", "The person called from the number we know");
  await first.click(".decide button");
  await first.waitForSelector(".note.good");
  check("another person must agree", (await first.textContent(".note.good")).includes("Another person must agree"));
  check("the page tells that the case changed", await watcher.waitForSelector(".fresh a").then(() => true, () => false));
  await first.check(`input[value=${given.decision}]`);
  await first.fill("#reason", "Again me");
  await first.click(".decide button");
  await first.waitForSelector(".note.bad");
  check("nobody decides twice, and the reason is kept", (await first.inputValue("#reason")) === "Again me");
  const second = await signIn(given.second, { javaScriptEnabled: false });
  await second.goto(`/cases/${given.two}`);
  await second.check(`input[value=${given.decision}]`);
  await second.fill("#reason", "I agree, seen on the phone");
  await second.click(".decide button");
  check("without JavaScript too", (await second.textContent(".note.good"))?.includes("You decided"));
  for (const page of [first, second, watcher]) await page.context().close();
}

// A session that ends in the middle of a decision: nothing is lost.
async function ended() {
  const page = await signIn(given.desk);
  await page.goto(`/cases/${given.ended}`);
  await page.check("input[value=approve]");
  await page.fill("#reason", "Typed before the session ended");
  await page.context().clearCookies();
  await page.click(".decide button");
  check("a sign-in is asked for", (await page.textContent(".note")).includes("nothing was done"), page.url());
  await page.fill("input[name=token]", given.desk);
  await page.click("form[action='/login'] button");
  check("back at the case", new URL(page.url()).pathname === `/cases/${given.ended}`, page.url());
  check("what was typed is there", (await page.inputValue("#reason")) === "Typed before the session ended");
  check("what was chosen is there", await page.isChecked("input[value=approve]"));
  await page.context().close();
}

for (const journey of [twoPeople, looks, keyboard, ended]) {
  if (given.only && given.only !== journey.name) continue;
  try { await journey(); } catch (error) { failures.push(`${journey.name}: ${error.message.split("\n").slice(0, 4).join(" ")}`); }
}
await browser.close();
console.log(JSON.stringify(failures));
