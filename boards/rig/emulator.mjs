// SPDX-License-Identifier: GPL-2.0-only
// Runs a board: its USB serial port and UART1 as TCP ports of this machine's loopback, commands as
// lines of JSON on standard input, events as lines of JSON on standard output. rig.py starts it.
//
//     node emulator.mjs --rp2040js DIR --bootrom FILE --firmware FILE [--flash FILE] [--gdb PORT] [--profile FILE] [--seed N]
import fs from 'node:fs';
import net from 'node:net';
import { parseArgs } from 'node:util';
import { Board, FLASH_BYTES, load, randomBits } from './machine.mjs';
import { Profile } from './profile.mjs';

const SLICE_MS = 4; // between two looks at sockets
const AHEAD_MS = 2; // how far the board's clock may run before the wall's
const UF2_MAGIC = [0x0a324655, 0x9e5d5157];
const FLASH_BASE = 0x10000000;

const { values: options } = parseArgs({
    options: Object.fromEntries(['rp2040js', 'bootrom', 'firmware', 'flash', 'gdb', 'profile', 'seed'].map((name) => [name, { type: 'string' }])),
});

console.warn = () => {}; // rp2040js's, of registers that it does not have

const say = (event) => fs.writeSync(1, JSON.stringify(event) + '\n');
const fail = (text) => {
    say({ event: 'error', text });
    process.exit(1);
};

// ---- Flash ---------------------------------------------------------------------------------------

function loadFirmware(flash, file) {
    const data = fs.readFileSync(file);
    if (data.length >= 512 && data.readUInt32LE(0) === UF2_MAGIC[0] && data.readUInt32LE(4) === UF2_MAGIC[1]) {
        for (let at = 0; at + 512 <= data.length; at += 512) {
            const to = data.readUInt32LE(at + 12) - FLASH_BASE, size = data.readUInt32LE(at + 16);
            if (to < 0 || to + size > FLASH_BYTES) fail(`${file}: a block for ${to + FLASH_BASE} is not for this flash`);
            flash.set(data.subarray(at + 32, at + 32 + size), to);
        }
    } else {
        if (data.length > FLASH_BYTES) fail(`${file} is larger than the flash`);
        flash.set(data, 0);
    }
    if (flash[0x107] !== 0x10) fail(`${file} is no program for an RP2040's flash`);
}

function saveFlash() {
    if (!options.flash) return;
    fs.writeFileSync(options.flash + '.new', flash);
    fs.renameSync(options.flash + '.new', options.flash);
}

const flash = new Uint8Array(FLASH_BYTES).fill(0xff);
if (options.flash && fs.existsSync(options.flash)) flash.set(fs.readFileSync(options.flash).subarray(0, FLASH_BYTES));
loadFirmware(flash, options.firmware);
const bootrom = new Uint8Array(0x4000);
bootrom.set(fs.readFileSync(options.bootrom));

// ---- The board and its lines ---------------------------------------------------------------------

const library = await load(options.rp2040js);
const clients = { serial: new Set(), uart: new Set() };
const give = (kind, data) => clients[kind].forEach((socket) => socket.write(data));

const board = new Board(library, bootrom, flash, {
    usb: (data) => give('serial', Buffer.from(data)),
    uart: (number, data) => number === 1 && give('uart', data),
    reset: (reason) => say({ event: 'reset', reason }),
    fault: (what) => say({ event: 'fault', what, ...board.state() }),
}, randomBits(options.seed === undefined ? undefined : Number(options.seed)));
const profile = options.profile ? new Profile(options.profile, options.firmware.replace(/\.\w+$/, '.elf')) : null;
if (profile) board.translator.profile = board.profile = profile;

function listen(kind, take) {
    return new Promise((resolve) => {
        const server = net.createServer((socket) => {
            socket.setNoDelay(true);
            clients[kind].add(socket);
            socket.on('data', (data) => {
                poke();
                take(data);
            });
            socket.on('error', () => socket.destroy());
            socket.on('close', () => clients[kind].delete(socket));
        });
        server.listen(0, '127.0.0.1', () => resolve(server.address().port));
    });
}

// ---- Time: the board's clock goes no faster than the wall's, and never catches up ------------------

let stopped = false; // by a debugger
let timer = null;
let queued = false;
let wall = performance.now(); // when the board's clock stood at `nanos`
let nanos = 0;
let idleMs = 0;

const boardTime = () => wall + (board.clock.nanos - nanos) / 1e6;
function anchor() {
    wall = performance.now();
    nanos = board.clock.nanos;
}

// Lets the board's clock follow while the board waits, up to its next alarm.
function follow() {
    const behind = performance.now() - boardTime();
    const next = board.clock.nextAlarm;
    if (!board.waiting || behind <= 0) return;
    const step = next ? Math.min(behind * 1e6, next.nanos - board.clock.nanos) : behind * 1e6;
    idleMs += step / 1e6;
    board.clock.tick(Math.max(step, 0));
}

function turn() {
    queued = false;
    timer = null;
    if (stopped || board.fault) return;
    follow();
    const until = performance.now() + SLICE_MS;
    const before = board.clock;
    while (!board.fault) {
        if (!board.waiting) board.run(until);
        if (board.clock !== before || boardTime() < performance.now() - AHEAD_MS) anchor();
        const now = performance.now();
        const ahead = boardTime() - now;
        if (board.waiting) {
            const next = board.clock.nextAlarm;
            const left = next ? ahead + (next.nanos - board.clock.nanos) / 1e6 : 1000;
            if (left > AHEAD_MS / 2) return sleep(left);
            if (next) {
                idleMs += (next.nanos - board.clock.nanos) / 1e6;
                board.clock.tick(next.nanos - board.clock.nanos);
            }
        } else if (ahead > AHEAD_MS) {
            return sleep(ahead);
        }
        if (now >= until) return soon();
    }
}

function sleep(ms) {
    timer = setTimeout(turn, ms);
}

function soon() {
    queued = true;
    setImmediate(turn);
}

// Something has come for the board: its clock is set to now, and it goes on at once.
function poke() {
    if (stopped || board.fault || queued) return;
    if (timer) clearTimeout(timer);
    timer = null;
    follow();
    soon();
}

// ---- Commands ------------------------------------------------------------------------------------

const commands = {
    cycles: () => ({ cycles: board.cycles, nanos: Math.round(board.clock.nanos), idle_ms: Math.round(idleMs) }),
    state: () => board.state(),
    profile: () => profile?.write(),
    save: () => saveFlash(),
    dtr: ({ on }) => board.serial.lines(on),
    pin_set: (wanted) => board.pins.set(wanted),
    pin_read: (wanted) => board.pins.read(wanted),
    adc_feed: (wanted) => board.pins.feed(wanted),
    reset: () => {
        board.reset();
        anchor();
        poke();
    },
};

function obey(command) {
    try {
        return commands[command.do] ? commands[command.do](command) : { error: `no command ${command.do}` };
    } catch (e) {
        return { error: e.message };
    }
}

function quit() {
    saveFlash();
    profile?.write();
    process.exit(0);
}

let text = '';
process.stdin.on('data', (data) => {
    text += data;
    const lines = text.split('\n');
    text = lines.pop();
    for (const line of lines) {
        const command = JSON.parse(line);
        if (command.do === 'quit') quit();
        say({ answer: command.id, ...obey(command) });
        poke();
    }
});
process.stdin.on('end', quit); // whoever started us is gone
process.on('SIGTERM', quit);
process.on('SIGINT', () => {}); // a terminal's Ctrl-C reaches the whole group: rig.py decides

// ---- A debugger ----------------------------------------------------------------------------------

const debugTarget = {
    get rp2040() {
        return board.chip;
    },
    get executing() {
        return !stopped;
    },
    execute() {
        stopped = false;
        anchor();
        soon();
    },
    stop() {
        stopped = true;
    },
};

function debug(port) {
    const server = new library.GDBServer(debugTarget);
    net.createServer((socket) => {
        debugTarget.stop();
        const connection = new library.GDBConnection(server, (data) => socket.write(data));
        socket.on('data', (data) => connection.feedData(data.toString('latin1')));
        socket.on('error', () => socket.destroy());
        socket.on('close', () => {
            server.removeConnection(connection);
            if (stopped) debugTarget.execute();
        });
    }).listen(port, '127.0.0.1');
}

const serial = await listen('serial', (data) => board.serial.send(data));
const uart = await listen('uart', (data) => board.uarts[1].feed(data));
if (options.gdb) {
    board.plain = true;
    debug(Number(options.gdb));
}
say({ event: 'ready', serial, uart });
soon();
