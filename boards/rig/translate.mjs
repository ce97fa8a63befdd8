// SPDX-License-Identifier: GPL-2.0-only
// Runs the chip's program as JavaScript made from it (trace.mjs), four times faster than rp2040js's
// interpreter, with the same result and the same count of cycles. The interpreter runs what is not
// yet hot and what is rare; interrupts are taken between traces.
import { GRANULE, PC, RAM_BYTES, Trace } from './trace.mjs';

const HOT = 12; // times that code is interpreted before it is translated
const TOO_OFTEN = 20; // a granule that is code and data in turn is left to the interpreter
const ROM_BYTES = 0x4000;

export class Translator {
    constructor(chip, flashBytes) {
        const { core } = chip;
        Object.assign(this, { chip, core, flashBytes });
        this.flash = new Array(flashBytes >> 1);
        this.flashHeat = new Uint8Array(flashBytes >> 1);
        this.ram = new Array(RAM_BYTES >> 1);
        this.ramHeat = new Uint8Array(RAM_BYTES >> 1);
        this.rom = new Array(ROM_BYTES >> 1);
        this.romHeat = new Uint8Array(ROM_BYTES >> 1);
        this.marks = (chip.codeMarks = new Uint8Array((RAM_BYTES >> GRANULE) + 1));
        this.writes = new Uint8Array(this.marks.length);
        this.registers = new Int32Array(core.registers.buffer);
        this.profile = null; // a Profile (profile.mjs), attached before anything runs
        this.extra = 0; // cycles of slow accesses beyond those that a trace counts itself
        chip.codeWritten = (address) => this.written(address);
        const { sram, flash } = chip;
        this.arguments = {
            core,
            I: this.registers,
            S: new Int32Array(sram.buffer),
            S8: sram,
            S16: new Uint16Array(sram.buffer),
            F: new Int32Array(flash.buffer),
            F8: flash,
            F16: new Uint16Array(flash.buffer),
            M: this.marks,
            flashBytes,
            x: this,
        };
    }

    // -- What traces call

    read4(a) {
        this.extra += this.core.cyclesIO(a) - 1;
        return this.chip.readUint32(a >>> 0) | 0;
    }

    readWord(a) {
        return this.chip.readUint32(a >>> 0) | 0;
    }

    writeWord(a, v) {
        this.chip.writeUint32(a >>> 0, v >>> 0);
    }

    read2(a) {
        this.extra += this.core.cyclesIO(a) - 1;
        return this.chip.readUint16(a >>> 0);
    }

    read1(a) {
        this.extra += this.core.cyclesIO(a) - 1;
        return this.chip.readUint8(a >>> 0);
    }

    write4(a, v) {
        this.extra += this.core.cyclesIO(a, true) - 1;
        this.chip.writeUint32(a >>> 0, v >>> 0);
    }

    write2(a, v) {
        this.extra += this.core.cyclesIO(a, true) - 1;
        this.chip.writeUint16(a >>> 0, v & 0xffff);
    }

    write1(a, v) {
        this.extra += this.core.cyclesIO(a, true) - 1;
        this.chip.writeUint8(a >>> 0, v & 0xff);
    }

    // A store went where translated code lies: all of RAM's is forgotten.
    written(a) {
        const granule = (a & 0xffffff) >> GRANULE;
        if (this.writes[granule] < 255) this.writes[granule]++;
        this.ram.fill(undefined);
        this.ramHeat.fill(0);
        this.marks.fill(0);
    }

    flashWritten() {
        this.flash.fill(undefined);
        this.flashHeat.fill(0);
    }

    // -- Running

    // The trace that begins at an address, or null if it is to be interpreted (yet).
    trace(pc) {
        let table, heat, index;
        const top = pc >>> 24;
        if (top === 0x10) {
            index = (pc & 0xffffff) >> 1;
            table = this.flash;
            heat = this.flashHeat;
        } else if (top === 0x20) {
            index = (pc & 0xffffff) >> 1;
            table = this.ram;
            heat = this.ramHeat;
        } else {
            index = pc >> 1;
            table = this.rom;
            heat = this.romHeat;
        }
        const found = table[index];
        if (found !== undefined) return found;
        if (++heat[index] < HOT) return null;
        return (table[index] = this.translate(pc, top));
    }

    // Interprets up to the next place that a jump leads to.
    interpret() {
        const { core } = this;
        let cycles = 0;
        for (let i = 0; i < 32; i++) {
            const pc = core.registers[PC];
            cycles += core.executeInstruction();
            const step = core.registers[PC] - pc;
            if ((step !== 2 && step !== 4) || core.waiting || core.interruptsUpdated) break;
        }
        return cycles;
    }

    step() {
        const { core } = this;
        if (core.interruptsUpdated && core.checkForInterrupts()) core.waiting = false;
        const pc = (core.registers[PC] &= ~1); // an exception's entry leaves the Thumb bit in
        const run = (pc >>> 24 === 0x10 && this.flash[(pc & 0xffffff) >> 1]) || this.trace(pc);
        if (!run) return this.interpret();
        const cycles = run() + this.extra;
        this.extra = 0;
        core.cycles += cycles;
        return cycles;
    }

    profiledStep() {
        const { core } = this;
        if (core.interruptsUpdated && core.checkForInterrupts()) core.waiting = false;
        const pc = core.registers[PC] & ~1;
        const cycles = this.step();
        this.profile.count(pc, cycles);
        return cycles;
    }

    // Runs so many steps at the most; stops when the core waits, or `board` has something to see to.
    run(board, clock, nanos, steps) {
        const { core } = this;
        while (steps-- > 0 && !core.waiting && !board.watchdogFired && board.fault === null) {
            clock.nanosCounter += (this.profile ? this.profiledStep() : this.step()) * nanos;
            const alarm = clock.nextAlarm;
            if (alarm !== null && alarm.nanos <= clock.nanosCounter) clock.tick(0);
        }
    }

    translate(pc, top) {
        const { chip } = this;
        const constant = (address) => (top !== 0x20 && address >>> 24 === top ? chip.readUint32(address) : null);
        const trace = new Trace(pc, (address) => chip.readUint16(address), constant, !this.profile);
        const text = trace.build();
        if (text === null) return null;
        const inRam = [...trace.pages].filter((page) => page >>> (24 - GRANULE) === 0x20).map((page) => page & (0xffffff >> GRANULE));
        if (inRam.some((granule) => this.writes[granule] > TOO_OFTEN)) return null;
        for (const granule of inRam) this.marks[granule] = 1;
        const names = Object.keys(this.arguments);
        return new Function(...names, `return function () { ${text} };`)(...Object.values(this.arguments));
    }
}
