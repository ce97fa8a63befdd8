// SPDX-License-Identifier: GPL-2.0-only
// The PL011 as MicroPython uses it: rp2040js's has neither receive time-out nor trigger levels.
// There is no pace: what is sent is gone at once, and the other side's bytes wait until the FIFO
// has room, so that no byte is ever lost.

const DR = 0x00, FR = 0x18, IBRD = 0x24, FBRD = 0x28, LCR_H = 0x2c, CR = 0x30, IFLS = 0x34;
const IMSC = 0x38, RIS = 0x3c, MASKED = 0x40, ICR = 0x44;
const FR_TXFE = 1 << 7, FR_RXFF = 1 << 6, FR_RXFE = 1 << 4;
const INT_RX = 1 << 4, INT_TX = 1 << 5, INT_RT = 1 << 6;
const ENABLED = 1 << 0, FIFOS = 1 << 4;
const DEPTH = 32;
const TRIGGERS = [4, 8, 16, 24, 28];
const IDENTITY = { 0xfe0: 0x11, 0xfe4: 0x10, 0xfe8: 0x34, 0xfec: 0, 0xff0: 0x0d, 0xff4: 0xf0, 0xff8: 5, 0xffc: 0xb1 };

export const makeUart = ({ BasePeripheral }) =>
    class Uart extends BasePeripheral {
        constructor(chip, name, irq) {
            super(chip, name);
            this.irq = irq;
            this.registers = { [IBRD]: 0, [FBRD]: 0, [LCR_H]: 0, [CR]: 0x300, [IFLS]: 0x12, [IMSC]: 0 };
            this.raised = 0;
            this.fifo = new Uint8Array(DEPTH);
            this.first = 0;
            this.count = 0;
            this.waiting = []; // Buffers that the FIFO has no room for yet
            this.offset = 0; // within the first of them
            this.sent = []; // bytes, taken by take()
            this.touched = 0; // when a byte last came or went
            this.idle = chip.clock.createAlarm(() => this.idleTooLong());
            this.idleArmed = false;
            this.drained = chip.clock.createAlarm(() => {
                this.drainPending = false;
                this.raise(INT_TX);
            });
            this.drainPending = false;
        }

        get bitNanos() {
            const divider = this.registers[IBRD] + this.registers[FBRD] / 64;
            return divider ? (divider * 16e9) / this.rp2040.clkPeri : 8680; // 115,200 baud
        }

        clkPeriChanged() {} // bitNanos looks at the clock itself

        get depth() {
            return this.registers[LCR_H] & FIFOS ? DEPTH : 1;
        }

        get trigger() {
            return this.depth === 1 ? 1 : TRIGGERS[(this.registers[IFLS] >> 3) & 7] ?? 16;
        }

        // What the other side sends.
        feed(data) {
            if (!(this.registers[CR] & ENABLED)) return;
            this.waiting.push(data);
            this.fill();
        }

        // What was sent to the other side since the last call, or null.
        take() {
            if (!this.sent.length) return null;
            const data = Buffer.from(this.sent);
            this.sent.length = 0;
            return data;
        }

        fill() {
            const { depth, waiting } = this;
            if (!waiting.length || this.count >= depth) return;
            while (waiting.length && this.count < depth) {
                this.fifo[(this.first + this.count++) % DEPTH] = waiting[0][this.offset++];
                if (this.offset === waiting[0].length) {
                    waiting.shift();
                    this.offset = 0;
                }
            }
            this.touch();
            if (this.count >= this.trigger) this.raise(INT_RX);
        }

        touch() {
            this.touched = this.rp2040.clock.nanos;
            if (!this.idleArmed) {
                this.idleArmed = true;
                this.idle.schedule(32 * this.bitNanos);
            }
        }

        // One alarm serves many bytes: it looks when the last of them was.
        idleTooLong() {
            this.idleArmed = false;
            if (!this.count) return;
            const left = this.touched + 32 * this.bitNanos - this.rp2040.clock.nanos;
            if (left > 0) {
                this.idleArmed = true;
                this.idle.schedule(left);
            } else {
                this.raise(INT_RT);
            }
        }

        raise(bits) {
            this.raised |= bits;
            this.update();
        }

        update() {
            this.rp2040.setInterrupt(this.irq, (this.raised & this.registers[IMSC]) !== 0);
        }

        readUint32(offset) {
            switch (offset) {
                case DR: {
                    if (!this.count) return 0;
                    const byte = this.fifo[this.first];
                    this.first = (this.first + 1) % DEPTH;
                    this.count--;
                    if (this.count < this.trigger) this.raised &= ~INT_RX;
                    if (!this.count) this.raised &= ~INT_RT;
                    this.fill();
                    if (this.count) this.touch();
                    this.update();
                    return byte;
                }
                case FR:
                    return FR_TXFE | (this.count >= this.depth ? FR_RXFF : 0) | (this.count ? 0 : FR_RXFE);
                case RIS:
                    return this.raised;
                case MASKED:
                    return this.raised & this.registers[IMSC];
                default:
                    return this.registers[offset] ?? IDENTITY[offset] ?? 0;
            }
        }

        writeUint32(offset, value) {
            switch (offset) {
                case DR:
                    this.sent.push(value & 0xff);
                    // Once for a run of bytes: about when half a FIFO would have gone.
                    if (!this.drainPending) {
                        this.drainPending = true;
                        this.drained.schedule(DEPTH * 5 * this.bitNanos);
                    }
                    break;
                case ICR:
                    this.raised &= ~this.rawWriteValue;
                    this.update();
                    break;
                case CR:
                    this.registers[CR] = value;
                    if (!(value & ENABLED)) {
                        this.waiting.length = this.offset = this.count = this.raised = 0;
                        this.update();
                    }
                    break;
                default:
                    if (offset in this.registers) this.registers[offset] = value;
                    if (offset === IMSC) this.update();
            }
        }
    };
