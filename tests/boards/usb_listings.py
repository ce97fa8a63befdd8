# SPDX-License-Identifier: GPL-2.0-only
"""What systems say of boards that are plugged in, cut down to what matters.

Linux: as Debian 12's /sys and lsblk have it. macOS: in the form in which its ioreg and diskutil print;
nobody here has run them with these boards.
"""

PCI = "sys/devices/pci0000:00/0000:00:14.0/usb1"

#: Files, and links (->), of /sys: a Pico with MicroPython, an ESP32 behind a hub, a modem inside.
LINUX_SYS = f"""
{PCI}/1-2/idVendor 2e8a
{PCI}/1-2/idProduct 0005
{PCI}/1-2/manufacturer MicroPython
{PCI}/1-2/product Board in FS mode
{PCI}/1-2/serial e6614103e72d4a2c
{PCI}/1-2/1-2:1.0/tty/ttyACM1/dev 166:1
{PCI}/1-2/1-2:1.0/tty/ttyACM1/device -> ../../../1-2:1.0
sys/class/tty/ttyACM1 -> ../../devices/pci0000:00/0000:00:14.0/usb1/1-2/1-2:1.0/tty/ttyACM1
{PCI}/1-4/idVendor 05e3
{PCI}/1-4/idProduct 0610
{PCI}/1-4/product USB2.1 Hub
{PCI}/1-4/1-4.3/idVendor 10c4
{PCI}/1-4/1-4.3/idProduct ea60
{PCI}/1-4/1-4.3/manufacturer Silicon Labs
{PCI}/1-4/1-4.3/product CP2102 USB to UART Bridge Controller
{PCI}/1-4/1-4.3/serial 0001
{PCI}/1-4/1-4.3/1-4.3:1.0/ttyUSB0/tty/ttyUSB0/dev 188:0
{PCI}/1-4/1-4.3/1-4.3:1.0/ttyUSB0/tty/ttyUSB0/device -> ../../../ttyUSB0
sys/class/tty/ttyUSB0 -> ../../devices/pci0000:00/0000:00:14.0/usb1/1-4/1-4.3/1-4.3:1.0/ttyUSB0/tty/ttyUSB0
{PCI}/1-7/idVendor 2cb7
{PCI}/1-7/idProduct 01a0
{PCI}/1-7/product L830-EB-00
{PCI}/1-7/1-7:1.2/tty/ttyACM0/dev 166:0
{PCI}/1-7/1-7:1.2/tty/ttyACM0/device -> ../../../1-7:1.2
sys/class/tty/ttyACM0 -> ../../devices/pci0000:00/0000:00:14.0/usb1/1-7/1-7:1.2/tty/ttyACM0
sys/devices/virtual/tty/tty0/dev 4:0
sys/class/tty/tty0 -> ../../devices/virtual/tty/tty0
sys/devices/platform/serial8250/tty/ttyAMA9/device -> ../../../serial8250
sys/class/tty/ttyAMA9 -> ../../devices/platform/serial8250/tty/ttyAMA9
"""

LINUX_LSBLK = """
{
   "blockdevices": [
      {
         "path": "/dev/sda",
         "label": null,
         "mountpoint": null,
         "children": [
            {
               "path": "/dev/sda1",
               "label": "RPI-RP2",
               "mountpoint": "/media/ann/RPI-RP2"
            }
         ]
      },{
         "path": "/dev/sdb",
         "label": null,
         "mountpoint": null,
         "children": [
            {
               "path": "/dev/sdb1",
               "label": "RP2350",
               "mountpoint": null
            }
         ]
      },{
         "path": "/dev/nvme0n1",
         "label": null,
         "mountpoint": null,
         "children": [
            {
               "path": "/dev/nvme0n1p2",
               "label": "root",
               "mountpoint": "/"
            }
         ]
      }
   ]
}
"""

PLIST = """<?xml version="1.0" encoding="UTF-8"?>
<!DOCTYPE plist PUBLIC "-//Apple//DTD PLIST 1.0//EN" "http://www.apple.com/DTDs/PropertyList-1.0.dtd">
<plist version="1.0">
"""

#: A Pico with MicroPython, and a hub with an ESP32-S3, which is a root of the listing once more.
MACOS_S3 = """
<dict>
    <key>IOObjectClass</key><string>IOUSBHostDevice</string>
    <key>idVendor</key><integer>12346</integer>
    <key>idProduct</key><integer>4097</integer>
    <key>kUSBVendorString</key><string>Espressif</string>
    <key>kUSBProductString</key><string>USB JTAG/serial debug unit</string>
    <key>kUSBSerialNumberString</key><string>3C:84:27:C4:77:7C</string>
    <key>IORegistryEntryChildren</key>
    <array>
        <dict>
            <key>IOObjectClass</key><string>IOUSBHostInterface</string>
            <key>idVendor</key><integer>12346</integer>
            <key>idProduct</key><integer>4097</integer>
            <key>IORegistryEntryChildren</key>
            <array>
                <dict>
                    <key>IOObjectClass</key><string>AppleUSBACMData</string>
                    <key>IORegistryEntryChildren</key>
                    <array>
                        <dict>
                            <key>IOObjectClass</key><string>IOSerialBSDClient</string>
                            <key>IOCalloutDevice</key><string>/dev/cu.usbmodem11301</string>
                            <key>IODialinDevice</key><string>/dev/tty.usbmodem11301</string>
                        </dict>
                    </array>
                </dict>
            </array>
        </dict>
    </array>
</dict>
"""
MACOS_IOREG = f"""{PLIST}<array>
<dict>
    <key>IOObjectClass</key><string>IOUSBHostDevice</string>
    <key>idVendor</key><integer>11914</integer>
    <key>idProduct</key><integer>5</integer>
    <key>USB Vendor Name</key><string>MicroPython</string>
    <key>USB Product Name</key><string>Board in FS mode</string>
    <key>USB Serial Number</key><string>e6614103e72d4a2c</string>
    <key>IORegistryEntryChildren</key>
    <array>
        <dict>
            <key>IOObjectClass</key><string>IOUSBHostInterface</string>
            <key>IORegistryEntryChildren</key>
            <array>
                <dict>
                    <key>IOObjectClass</key><string>IOSerialBSDClient</string>
                    <key>IOCalloutDevice</key><string>/dev/cu.usbmodem1101</string>
                    <key>IODialinDevice</key><string>/dev/tty.usbmodem1101</string>
                </dict>
            </array>
        </dict>
    </array>
</dict>
<dict>
    <key>IOObjectClass</key><string>IOUSBHostDevice</string>
    <key>idVendor</key><integer>1507</integer>
    <key>idProduct</key><integer>1552</integer>
    <key>USB Product Name</key><string>USB2.1 Hub</string>
    <key>IORegistryEntryChildren</key>
    <array>{MACOS_S3}</array>
</dict>
{MACOS_S3}
</array>
</plist>
"""

MACOS_DISKUTIL = f"""{PLIST}<dict>
    <key>AllDisks</key>
    <array><string>disk4</string><string>disk4s1</string></array>
    <key>AllDisksAndPartitions</key>
    <array>
        <dict>
            <key>Content</key><string>FDisk_partition_scheme</string>
            <key>DeviceIdentifier</key><string>disk4</string>
            <key>Partitions</key>
            <array>
                <dict>
                    <key>Content</key><string>DOS_FAT_16</string>
                    <key>DeviceIdentifier</key><string>disk4s1</string>
                    <key>MountPoint</key><string>/Volumes/RPI-RP2</string>
                    <key>Size</key><integer>133955584</integer>
                    <key>VolumeName</key><string>RPI-RP2</string>
                </dict>
            </array>
            <key>Size</key><integer>134217728</integer>
        </dict>
        <dict>
            <key>DeviceIdentifier</key><string>disk5</string>
            <key>Partitions</key>
            <array>
                <dict>
                    <key>DeviceIdentifier</key><string>disk5s1</string>
                    <key>VolumeName</key><string>RP2350</string>
                </dict>
            </array>
        </dict>
    </array>
</dict>
</plist>
"""
