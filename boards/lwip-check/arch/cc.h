// SPDX-License-Identifier: GPL-2.0-only
// lwIP asks for this file; the compiler's own types serve.
