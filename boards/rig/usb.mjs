// SPDX-License-Identifier: GPL-2.0-only
// The host's end of the board's USB serial port. rp2040js's answers a receive that has nothing to
// give with an empty packet, and so the board does nothing but take those: here the receive waits.

const PACKET = 64;
const DTR_RTS = 3;

export const makeSerial = ({ USBCDC }) =>
    class Serial extends USBCDC {
        constructor(controller, onData) {
            super(controller);
            this.waiting = [];
            this.room = 0; // of the packet that the board has asked for
            this.ready = false;
            this.onSerialData = onData;
            this.onDeviceConnected = () => {
                this.ready = true;
                this.deliver();
            };
            controller.onEndpointRead = (endpoint, size) => {
                if (endpoint !== this.outEndpoint) return;
                this.room = Math.min(size, PACKET);
                this.deliver();
            };
        }

        send(data) {
            for (let i = 0; i < data.length; i += PACKET) this.waiting.push(data.subarray(i, i + PACKET));
            this.deliver();
        }

        deliver() {
            if (!this.ready || !this.room || !this.waiting.length) return;
            let packet = this.waiting.shift();
            if (packet.length > this.room) {
                this.waiting.unshift(packet.subarray(this.room));
                packet = packet.subarray(0, this.room);
            }
            this.room = 0;
            this.usb.endpointReadDone(this.outEndpoint, packet);
        }

        lines(on) {
            if (this.ready) this.cdcSetControlLineState(on ? DTR_RTS : 0);
        }
    };
