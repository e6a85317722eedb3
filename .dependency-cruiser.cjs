// The rooms of the house, who may import whom, and the home of each npm package. ARCHITECTURE.md draws it.

/** room -> the rooms it may import (besides itself). */
const rooms = {
  core: [],
  crypto: ['core'],
  protocol: ['core'],
  stun: ['core', 'crypto'],
  natprobe: ['core', 'stun', 'io', 'protocol', 'traversal'], // all but core and stun: its command alone, see below
  traversal: ['core', 'crypto', 'stun', 'protocol'], // protocol: relay frames, docs/adr/0004
  'reliable-udp': ['core', 'crypto'],
  tcp: ['core', 'crypto', 'protocol'],
  io: ['core', 'crypto', 'tcp'], // crypto: hashes, for pins and lock names; tcp: frames, docs/adr/0011
  library: ['core', 'crypto', 'io', 'reliable-udp'], // holler/reliable-udp for programs, docs/adr/0013
  daemon: [
    'core',
    'crypto',
    'stun',
    'natprobe',
    'traversal',
    'reliable-udp',
    'protocol',
    'tcp',
    'io',
  ],
  server: ['core', 'crypto', 'stun', 'protocol', 'tcp', 'io'],
  cli: ['core', 'protocol', 'io'],
}

/** npm package -> the only place that may import it. Replacing a package touches that place alone. */
const homes = {
  stun: '^src/stun/codec\\.ts$',
  'dgram-as-promised': '^src/io/udp-socket\\.ts$',
  protobufjs: '^src/protocol/peer/',
  long: '^src/protocol/peer/',
  'fast-xml-parser': '^src/protocol/server/xml\\.ts$',
  '@nodable/entities': '^src/protocol/server/xml\\.ts$',
  level: '^src/io/level-store\\.ts$',
  '@node-rs/argon2': '^src/crypto/password\\.ts$',
  '@mongodb-js/saslprep': '^src/crypto/password\\.ts$',
  commander: '^src/(cli|daemon|server|natprobe)/',
  pino: '^src/io/log\\.ts$',
  'smol-toml': '^src/io/config-file\\.ts$',
  selfsigned: '^src/server/certificate\\.ts$',
  koffi: '^src/io/libc\\.ts$',
  'sodium-native': '^src/crypto/sodium-aead\\.ts$',
  zod: '^src/(protocol/control|daemon|server)/',
  'json-rpc-2.0': '^src/(daemon/control-|cli/|protocol/control/|server/admin/)',
  'prom-client': '^src/server/metrics',
}

/** The program `natprobe`; the rest of its room are machines. */
const natprobeCommand = '^src/natprobe/(main\\.ts$|command/)'

const names = Object.keys(rooms)
const pure = ['core', 'crypto', 'protocol', 'stun', 'natprobe', 'traversal', 'reliable-udp', 'tcp']

module.exports = {
  forbidden: [
    ...names.map((room) => ({
      name: `room-${room}`,
      comment: `${room} may import ${rooms[room].join(', ') || 'nothing'}`,
      severity: 'error',
      from: { path: `^src/${room}/` },
      to: { path: '^src/', pathNot: `^src/(${[room, ...rooms[room]].join('|')})/` },
    })),
    {
      name: 'natprobe-io',
      comment:
        'the machines of natprobe have no I/O and know STUN alone; its command holds other rooms together',
      severity: 'error',
      from: { path: '^src/natprobe/', pathNot: natprobeCommand },
      to: { path: '^src/(io|protocol|traversal|natprobe/command)/' },
    },
    ...Object.entries(homes).map(([name, home]) => ({
      name: `home-of-${name}`,
      severity: 'error',
      from: { path: '^src/', pathNot: home },
      to: { path: `^node_modules/${name}/` },
    })),
    {
      name: 'node-modules-of-pure-rooms',
      comment: 'machines and codecs see no clock, socket, timer or random source',
      severity: 'error',
      from: {
        path: `^src/(${pure.join('|')})/`,
        // A package that need not be there is required, not imported: docs/adr/0014.
        pathNot: `${natprobeCommand}|^src/crypto/sodium-aead\\.ts$`,
      },
      to: {
        dependencyTypes: ['core'],
        pathNot: '^(node:)?(net|zlib|crypto|util|buffer|assert|assert/strict)$',
      },
    },
    {
      name: 'node-crypto-home',
      comment: 'crypto is the one room that imports node:crypto; io/random.ts draws random bytes',
      severity: 'error',
      from: { path: '^src/', pathNot: '^src/(crypto/|io/random\\.ts$)' },
      to: { path: '^(node:)?crypto$' },
    },
    {
      name: 'node-net-in-pure-rooms',
      comment: 'node:net only to judge literal addresses',
      severity: 'error',
      from: {
        path: `^src/(${pure.join('|')})/`,
        pathNot: `^src/core/endpoint\\.ts$|${natprobeCommand}`,
      },
      to: { path: '^(node:)?net$' },
    },
    { name: 'no-cycles', severity: 'error', from: {}, to: { circular: true } },
    {
      name: 'src-stands-without-tests',
      severity: 'error',
      from: { path: '^src/' },
      to: { path: '^(test|scripts)/' },
    },
  ],
  options: {
    tsPreCompilationDeps: true,
    tsConfig: { fileName: 'tsconfig.json' },
    doNotFollow: { path: 'node_modules' },
    enhancedResolveOptions: {
      exportsFields: ['exports'],
      conditionNames: ['import', 'node', 'default', 'types'],
    },
  },
}
