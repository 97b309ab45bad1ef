// A server that a scenario starts, restarts and stops itself, with the real binary and a configuration of its own.

import { execFile, spawn } from "node:child_process";
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { promisify } from "node:util";
import { DEADLINE, assert, atEnd, within, world } from "./lib.mjs";

/** A folder that is gone when the scenario ends. */
export async function folder() {
  const made = await mkdtemp(join(tmpdir(), "tidings-scenario-"));
  atEnd(() => rm(made, { recursive: true, force: true }));
  return made;
}

/** Runs a command of the binary in a folder and gives what it printed. */
export async function tidings(cwd, env, ...args) {
  const options = { cwd, env: { ...process.env, ...env }, timeout: DEADLINE };
  const { stdout } = await promisify(execFile)(world.binary, args, options);
  return stdout.trim();
}

export class Served {
  /** A server with this `tidings.toml` and these variables; the port of its first start stays its port. */
  static async start({ config = "", env = {}, cwd } = {}) {
    const self = new Served();
    self.cwd = cwd ?? (await folder());
    self.env = env;
    self.log = "";
    self.waiters = new Set();
    self.port = 0;
    await writeFile(join(self.cwd, "tidings.toml"), config);
    atEnd(() => self.child?.kill("SIGKILL"));
    await self.up();
    return self;
  }

  get url() {
    return `http://127.0.0.1:${this.port}`;
  }

  async up() {
    const env = { ...process.env, ...this.env };
    this.child = spawn(world.binary, ["serve", "--listen", `127.0.0.1:${this.port}`], { cwd: this.cwd, env });
    this.gone = new Promise((resolve) => this.child.on("exit", (code, signal) => resolve({ code, signal })));
    const from = this.log.length;
    const listening = new Promise((resolve) => {
      const note = (text) => {
        this.log += text;
        const found = /listening on http:\/\/127\.0\.0\.1:(\d+)/.exec(this.log.slice(from));
        if (found) resolve(Number(found[1]));
        for (const waiter of this.waiters) waiter();
      };
      for (const pipe of [this.child.stdout, this.child.stderr]) pipe.setEncoding("utf8").on("data", note);
    });
    const early = this.gone.then((how) => Promise.reject(new Error(`the server ended with ${JSON.stringify(how)}:\n${this.log}`)));
    early.catch(() => {});
    this.port = await within(Promise.race([listening, early]), () => `the server listens:\n${this.log}`);
  }

  /** Waits until it has logged what matches. */
  says(pattern) {
    const said = new Promise((resolve) => {
      const look = () => pattern.test(this.log) && resolve(this.waiters.delete(look));
      this.waiters.add(look);
      look();
    });
    return within(said, () => `the server says ${pattern}:\n${this.log}`);
  }

  /** Asks it to end, as a supervisor does, and waits until it has. */
  async down() {
    this.child.kill("SIGTERM");
    const { code } = await within(this.gone, () => `the server stops:\n${this.log}`);
    assert.equal(code, 0, this.log);
    this.child = undefined;
  }

  async restart() {
    await this.down();
    await this.up();
  }

  /** Nothing went wrong inside that nobody outside could see. */
  assertUnshaken() {
    assert.ok(!this.log.includes("panicked at"), this.log);
  }
}
