// SPDX-License-Identifier: GPL-2.0-only
// A Raspberry Pi Pico: rp2040js's chip with a boot ROM, a flash that outlives resets, a UART and
// a USB serial port that work as MicroPython needs them, and faults that are seen.
import { randomBytes } from 'node:crypto';
import path from 'node:path';
import { pathToFileURL } from 'node:url';
import { Pins } from './pins.mjs';
import { Translator } from './translate.mjs';
import { makeSerial } from './usb.mjs';
import { makeUart } from './uart.mjs';

export const FLASH_BYTES = 2 << 20;
const UARTS = [[0x40034, 'UART0', 20], [0x40038, 'UART1', 21]];
const WATCHDOG = 0x40058;
const ROSC = 0x40060, RANDOMBIT = 0x1c;
const ROM_BYTES = 0x4000;
const CHUNK = 2000; // steps between two looks at the wall's clock
// What a program may say by a bkpt instruction of the boot ROM (bootrom.c).
const BREAKS = { 1: 'an interrupt without a vector table', 2: 'the program asked for the USB boot loader' };

export async function load(folder) {
    const from = (name) => import(pathToFileURL(path.join(folder, 'dist', 'esm', name)).href);
    const all = await from('index.js');
    const { SimulationClock } = await from('clock/simulation-clock.js');
    const { UnimplementedPeripheral } = await from('peripherals/peripheral.js');
    const library = { ...all, SimulationClock, UnimplementedPeripheral };
    return { ...library, Uart: makeUart(library), Serial: makeSerial(library), Chip: makeChip(library), Clock: makeClock(library), Rosc: makeRosc(library) };
}

const makeClock = ({ SimulationClock }) =>
    class Clock extends SimulationClock {
        // An alarm that has fired is no longer in the list: the original goes on believing so.
        tick(nanos) {
            const target = this.nanosCounter + nanos;
            let alarm;
            while ((alarm = this.nextAlarm) && alarm.nanos <= target) {
                this.nextAlarm = alarm.next;
                this.nanosCounter = Math.max(alarm.nanos, this.nanosCounter);
                alarm.scheduled = false;
                alarm.callback();
            }
            this.nanosCounter = target;
        }
    };

// The ring oscillator, of which programs use the random bit: else it would always be the same.
const makeRosc = ({ UnimplementedPeripheral }) =>
    class Rosc extends UnimplementedPeripheral {
        constructor(chip, bit) {
            super(chip, 'ROSC');
            this.bit = bit;
        }

        readUint32(offset) {
            return offset === RANDOMBIT ? this.bit() : super.readUint32(offset);
        }
    };

// Bits that a seed decides (xorshift32), or that nobody can tell.
export function randomBits(seed) {
    let word = seed >>> 0 || 1, left = 0;
    return () => {
        if (seed === undefined && left-- === 0) {
            [word, left] = [randomBytes(4).readUInt32LE(0), 31];
        } else if (seed === undefined) {
            word >>>= 1;
        } else {
            word ^= word << 13;
            word ^= word >>> 17;
            word ^= word << 5;
        }
        return word & 1;
    };
}

// The paths that nearly all accesses take, straight to the arrays; and no store into the ROM.
const makeChip = ({ RP2040 }) =>
    class Chip extends RP2040 {
        useFlash(flash) {
            this.flash = flash;
            this.flash16 = new Uint16Array(flash.buffer);
            this.flash32 = new Uint32Array(flash.buffer);
            this.flashView = new DataView(flash.buffer);
            this.sram16 = new Uint16Array(this.sram.buffer);
            this.sram32 = new Uint32Array(this.sram.buffer);
            this.fast = true;
        }

        readUint32(address) {
            if (this.fast && (address & 3) === 0) {
                const top = address >>> 24, low = address & 0xffffff;
                if (top === 0x20 && low < this.sram.length) return this.sram32[low >> 2];
                if (top === 0x10 && low < FLASH_BYTES) return this.flash32[low >> 2];
            }
            return super.readUint32(address);
        }

        readUint16(address) {
            const top = address >>> 24, low = address & 0xffffff;
            if (this.fast && (low & 1) === 0) {
                if (top === 0x10 && low < FLASH_BYTES) return this.flash16[low >> 1];
                if (top === 0x20 && low < this.sram.length) return this.sram16[low >> 1];
            }
            return super.readUint16(address);
        }

        writeUint32(address, value) {
            const top = address >>> 24, low = address & 0xffffff;
            if (top === 0x20 && (low & 3) === 0 && this.fast && low < this.sram.length) {
                this.sram32[low >> 2] = value;
                if (this.codeMarks[low >> 5]) this.codeWritten(address);
            } else if (top === 0x10) {
                super.writeUint32(address, value);
                this.flashWritten = true;
            } else if (address >>> 0 < ROM_BYTES) {
                // The chip ignores it, and TinyUSB relies on that for endpoint 0 (at address 0).
                if (address !== 0) this.onFault?.(`a store to ${hex(address)}, which is ROM`);
            } else {
                super.writeUint32(address, value);
            }
        }
    };

const hex = (n) => '0x' + (n >>> 0).toString(16).padStart(8, '0');

export class Board {
    // bootrom, flash: Uint8Array; on: { usb(data), uart(number, data), reset(reason), fault(what) };
    // bit: what the oscillator's random bit is, each time
    constructor(library, bootrom, flash, on, bit = randomBits()) {
        Object.assign(this, { library, bootrom, flash, on, bit });
        this.pins = new Pins();
        this.plain = false; // interpret all, as a debugger needs it
        this.profile = null;
        this.cyclesBefore = 0; // of chips that were reset
        this.fault = null;
        this.powerOn();
    }

    powerOn(watchdog = null) {
        const { library } = this;
        this.cyclesBefore += this.chip ? this.chip.core.cycles : 0;
        this.clock = new library.Clock();
        const chip = (this.chip = new library.Chip(this.clock));
        chip.logger = {
            debug() {},
            info() {},
            warn() {},
            error: (part, text) => this.broke(`${part}: ${text}`),
        };
        chip.onFault = (what) => this.broke(what);
        chip.onBreak = (code) => this.broke(chip.core.PC < ROM_BYTES ? BREAKS[code] : `bkpt #${code}`);
        this.uarts = UARTS.map(([page, name, irq], i) => (chip.uart[i] = chip.peripherals[page] = new library.Uart(chip, name, irq)));
        this.serial = new library.Serial(chip.usbCtrl, (data) => this.on.usb(data));
        chip.peripherals[WATCHDOG].onWatchdogTrigger = () => (this.watchdogFired = true);
        this.pins.wire(chip);
        chip.peripherals[ROSC] = new library.Rosc(chip, this.bit);
        if (watchdog) {
            chip.peripherals[WATCHDOG].scratchData.set(watchdog.scratchData);
            chip.peripherals[WATCHDOG].reason = watchdog.reason;
        }
        chip.bootrom.set(new Uint32Array(this.bootrom.buffer, this.bootrom.byteOffset, this.bootrom.length >> 2));
        chip.useFlash(this.flash);
        this.translator = new Translator(chip, FLASH_BYTES);
        this.translator.profile = this.profile;
        chip.core.VTOR = 0;
        chip.core.SP = chip.bootrom[0];
        chip.core.PC = chip.bootrom[1] & ~1;
        this.watchdogFired = false;
        this.fault = null;
    }

    reset(reason = 'asked for') {
        this.powerOn();
        this.on.reset(reason);
    }

    broke(what) {
        if (this.fault) return;
        this.fault = what;
        this.on.fault(what);
    }

    get cycles() {
        return this.cyclesBefore + this.chip.core.cycles;
    }

    get waiting() {
        return this.chip.core.waiting;
    }

    // Runs until `until` (performance.now()), or until the board waits for something, or has broken.
    run(until) {
        while (!this.fault) {
            const { core } = this.chip, { clock } = this;
            const nanos = 1e9 / this.chip.clkSys;
            if (this.plain) {
                for (let i = 0; i < CHUNK && !core.waiting && !this.watchdogFired && !this.fault; i++) {
                    clock.tick(core.executeInstruction() * nanos);
                }
            } else {
                this.translator.run(this, clock, nanos, CHUNK);
            }
            if (this.chip.flashWritten) {
                this.chip.flashWritten = false;
                this.translator.flashWritten();
            }
            this.flush();
            if (this.watchdogFired) {
                const watchdog = this.chip.peripherals[WATCHDOG];
                this.powerOn(watchdog);
                this.on.reset('watchdog');
            }
            if (this.chip.core.waiting || performance.now() >= until) return;
        }
    }

    flush() {
        this.uarts.forEach((uart, i) => {
            const data = uart.take();
            if (data) this.on.uart(i, data);
        });
    }

    state() {
        const { core } = this.chip;
        const names = ['r0', 'r1', 'r2', 'r3', 'r4', 'r5', 'r6', 'r7', 'r8', 'r9', 'r10', 'r11', 'r12', 'sp', 'lr', 'pc'];
        const stack = [];
        for (let i = 0; i < 64; i++) {
            const at = core.SP + 4 * i;
            if (at >= 0x20000000 && at < 0x20042000) stack.push(hex(this.chip.readUint32(at)));
        }
        return {
            registers: Object.fromEntries(names.map((name, i) => [name, hex(core.registers[i])])),
            exception: core.IPSR,
            waiting: core.waiting,
            masked: core.PM,
            pending: hex(core.pendingInterrupts),
            stack,
        };
    }
}
