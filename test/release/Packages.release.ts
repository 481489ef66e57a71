import { cpSync, existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs"
import { tmpdir } from "node:os"
import { dirname, join } from "node:path"
import { afterAll, assert, beforeAll, describe, it } from "@effect/vitest"
import { make, type Release, remove, run } from "./Release.ts"

const rolldown = "1.2.19"
const link = /\]\((?!https?:|#|mailto:)([^)\s#]+)/g

describe("A release", () => {
  let release: Release = { folder: "", tarballs: [] }
  beforeAll(() => {
    release = make()
  })
  afterAll(() => remove(release))

  const perTarball = <A>(find: (tarball: Release["tarballs"][number]) => ReadonlyArray<A>) =>
    release.tarballs.flatMap((tarball) => find(tarball).map((found) => `${tarball.manifest.name}: ${found}`))

  it("has all public packages, in one version, each with its changes", () => {
    const names = release.tarballs.map(({ manifest }) => manifest.name.replace("@effect-eventbus/", ""))
    assert.includeMembers(names, ["agents", "amqp", "cli", "console", "effect-eventbus", "http", "inspect", "testing"])
    const [version, ...others] = new Set(release.tarballs.map(({ manifest }) => manifest.version))
    assert.deepStrictEqual(others, [])
    // A peer that moves must not make a first release of what is not ready for one.
    assert.match(`${version}`, /^0\./)
    assert.deepStrictEqual(
      perTarball(({ folder }) =>
        readFileSync(join(folder, "CHANGELOG.md"), "utf8").includes(`## ${version}`) ? [] : ["no changes"]
      ),
      []
    )
  })

  it("has in each tarball a licence, a README, and the files that its exports and bins name", () => {
    const missing = perTarball(({ files, manifest }) => {
      const targets = Object.values({ ...manifest.exports, ...manifest.bin }).map((target) => target.replace("./", ""))
      const declarations = targets.filter((target) => target.endsWith(".js")).map((js) => js.replace(/js$/, "d.ts"))
      return ["LICENSE", "README.md", ...targets, ...declarations].filter((file) => !files.includes(file))
    })
    assert.deepStrictEqual(missing, [])
  })

  it("has the page of the console, built, with all files that it names", () => {
    const found = release.tarballs.filter(({ manifest }) => manifest.name === "@effect-eventbus/console")
    assert.lengthOf(found, 1)
    for (const { files, folder } of found) {
      const page = readFileSync(join(folder, "dist/ui/index.html"), "utf8")
      const named = Array.from(page.matchAll(/(?:src|href)="\.\/([^"]+)"/g), ([, file = ""]) => `dist/ui/${file}`)
      const scripts = named.filter((file) => file.endsWith(".js"))
      // The first script brings the rest.
      const more = scripts.flatMap((file) =>
        Array.from(
          readFileSync(join(folder, file), "utf8").matchAll(/import\([`"']\.\/([\w-]+\.js)/g),
          ([, name = ""]) => `${dirname(file)}/${name}`
        )
      )
      assert.isNotEmpty(more)
      // Its script, its style and its icon. It has no sources that would have to be built.
      for (const kind of [/\.js$/, /\.css$/, /\.svg$/])
        assert.isTrue(
          named.some((file) => kind.test(file)),
          `${kind}`
        )
      assert.notInclude(page, "/src/")
      assert.includeMembers([...files], [...named, ...more])
    }
  })

  it("has maps that lead to sources within the tarball", () => {
    const lost = perTarball(({ files, folder }) => {
      const maps = files.filter((file) => file.endsWith(".map"))
      assert.isAbove(maps.length, 0)
      return maps.filter((map) => {
        const { sources } = JSON.parse(readFileSync(join(folder, map), "utf8"))
        return !existsSync(join(folder, dirname(map), sources[0]))
      })
    })
    assert.deepStrictEqual(lost, [])
  })

  it("has no link in a README that leads out of the tarball", () => {
    const broken = perTarball(({ files, folder }) =>
      Array.from(readFileSync(join(folder, "README.md"), "utf8").matchAll(link), ([, target = ""]) => target).filter(
        (target) => !files.some((file) => file === target || file.startsWith(`${target}/`))
      )
    )
    assert.deepStrictEqual(broken, [])
  })

  it("depends on Effect and on the bus as peers, so that an application has one copy of each", () => {
    const wrong = perTarball(({ manifest: { dependencies = {}, peerDependencies = {}, name } }) => [
      ...(/^[~^]4\.1\.0$/.test(peerDependencies["effect"] ?? "") ? [] : ["effect is no peer"]),
      ...(name === "effect-eventbus" || peerDependencies["effect-eventbus"]?.startsWith("^")
        ? []
        : ["the bus is no peer"]),
      ...Object.entries(dependencies).flatMap(([other, range]) =>
        other !== "amqplib" && /^\d/.test(range) ? [`${other} is pinned`] : []
      ),
      ...Object.values({ ...dependencies, ...peerDependencies }).filter((range) => /^(workspace|catalog):/.test(range))
    ])
    assert.deepStrictEqual(wrong, [])
  })

  describe("installed by npm in a fresh folder", () => {
    const folder = mkdtempSync(join(tmpdir(), "application-"))
    const bin = (name: string) => join(folder, "node_modules", name)
    const node = `node-${process.platform}-${process.arch}`
    const nodes = { "22.19.0": "node-22", "24.21.0": "node-24" }
    const compilers = { "5.9.3": "typescript-5", "7.0.2": "typescript-7" }
    const compile = (compiler: string) =>
      run(folder, process.execPath, [bin(`${compiler}/bin/tsc`), "--outDir", `dist-${compiler}`])
    const compiled = (compiler: string) => {
      const main = join(folder, `dist-${compiler}/main.js`)
      if (!existsSync(main)) compile(compiler)
      return main
    }

    beforeAll(() => {
      mkdirSync(folder, { recursive: true })
      const application = join(import.meta.dirname, "application")
      cpSync(application, folder, { recursive: true })
      const dependencies = {
        ...Object.fromEntries(release.tarballs.map(({ manifest, path }) => [manifest.name, `file:${path}`])),
        ...Object.fromEntries(Object.entries(nodes).map(([version, name]) => [name, `npm:${node}@${version}`])),
        ...Object.fromEntries(Object.entries(compilers).map(([version, name]) => [name, `npm:typescript@${version}`])),
        effect: "^4.1.0",
        "@types/node": "^24.0.0",
        "@effect/platform-node": "~4.1.0",
        "@effect/vitest": "^4.0.5",
        vitest: "^5.0.0",
        rolldown
      }
      writeFileSync(join(folder, "package.json"), JSON.stringify({ private: true, type: "module", dependencies }))
      writeFileSync(join(folder, "tsconfig.json"), JSON.stringify({ compilerOptions, include: ["*.ts"] }))
      run(folder, "npm", ["install", "--prefer-offline", "--no-audit", "--no-fund"])
    })
    afterAll(() => rmSync(folder, { recursive: true, force: true }))

    it("has one copy of Effect and of the bus, and no peer that does not fit", () => {
      const tree = run(folder, "npm", ["ls", "effect", "effect-eventbus", "--all", "--parseable"])
      assert.lengthOf(tree.trim().split("\n"), 2, tree)
    })

    for (const [version, compiler] of Object.entries(compilers)) {
      it(`compiles an application with TypeScript ${version} in strict mode`, () => {
        assert.strictEqual(compile(compiler), "")
      })
    }

    for (const [version, name] of Object.entries(nodes)) {
      it(`runs the application on Node ${version}`, () => {
        const main = compiled("typescript-7")
        const binary = bin(`${name}/bin/node`)
        assert.strictEqual(run(folder, binary, ["--version"]), `v${version}\n`)
        assert.strictEqual(run(folder, binary, [main]).split("\n").at(-2), "ok")
      })

      it(`runs the command on Node ${version}`, () => {
        const explain = ["explain", "invoice.paid.high", "--module", "./subscriptions.ts"]
        const told = run(folder, bin(`${name}/bin/node`), [bin(".bin/eventbus"), ...explain])
        assert.include(told, "dead-lettered")
      })
    }

    it("tests a broker by the contract", () => {
      const vitest = [bin("vitest/vitest.mjs"), "run", "--config", "vitest.config.js"]
      const told = run(folder, process.execPath, vitest, { EVENTBUS_PROGRAMS: "10", NO_COLOR: "1" })
      assert.match(told, /Tests {2}\d+ passed/)
    })

    it("is as small by the barrel as by the module that an application needs", async () => {
      const sizes = ["barrel", "module"].map((name) => {
        run(folder, process.execPath, [
          bin("rolldown/bin/cli.mjs"),
          `bundle/${name}.js`,
          "--minify",
          "-d",
          `out-${name}`
        ])
        return readFileSync(join(folder, `out-${name}/${name}.js`)).byteLength
      })
      const [barrel = 0, module = 0] = sizes
      assert.isAbove(module, 0)
      assert.isAtMost(barrel, module * 1.01)
    })
  })
})

const compilerOptions = {
  strict: true,
  exactOptionalPropertyTypes: true,
  noUncheckedIndexedAccess: true,
  target: "ES2022",
  lib: ["ES2023", "DOM"],
  module: "NodeNext",
  types: ["node"],
  rootDir: "."
}
