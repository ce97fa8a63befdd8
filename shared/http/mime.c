// SPDX-License-Identifier: GPL-2.0-only
//
// The media type of a file, by the end of its name.

#include "serve_int.h"

#if PMG_HAS_FILES

static const struct {
    const char *ext, *type;
} types[] = {
    {"html", "text/html; charset=utf-8"},
    {"htm", "text/html; charset=utf-8"},
    {"css", "text/css; charset=utf-8"},
    {"js", "text/javascript; charset=utf-8"},
    {"mjs", "text/javascript; charset=utf-8"},
    {"json", "application/json"},
    {"svg", "image/svg+xml"},
    {"png", "image/png"},
    {"jpg", "image/jpeg"},
    {"jpeg", "image/jpeg"},
    {"gif", "image/gif"},
    {"webp", "image/webp"},
    {"ico", "image/x-icon"},
    {"txt", "text/plain; charset=utf-8"},
    {"md", "text/markdown; charset=utf-8"},
    {"csv", "text/csv; charset=utf-8"},
    {"xml", "application/xml"},
    {"pdf", "application/pdf"},
    {"zip", "application/zip"},
    {"gz", "application/gzip"},
    {"wasm", "application/wasm"},
    {"woff", "font/woff"},
    {"woff2", "font/woff2"},
    {"ttf", "font/ttf"},
    {"mp3", "audio/mpeg"},
    {"wav", "audio/wav"},
    {"mp4", "video/mp4"},
    {"webm", "video/webm"},
};

struct mg_str pmg_serve_mime_type(const char *path, struct mg_str extra) {
    const char *slash = strrchr(path, '/'), *dot = strrchr(path, '.');
    if (dot == NULL || (slash != NULL && dot < slash)) {
        return mg_str("application/octet-stream");
    }
    struct mg_str ext = mg_str(dot + 1), entry, name, value;
    while (mg_span(extra, &entry, &extra, ',')) {
        if (mg_span(entry, &name, &value, '=') && mg_strcasecmp(name, ext) == 0) {
            return value;
        }
    }
    for (size_t i = 0; i < sizeof(types) / sizeof(types[0]); i++) {
        if (mg_strcasecmp(ext, mg_str(types[i].ext)) == 0) {
            return mg_str(types[i].type);
        }
    }
    return mg_str("application/octet-stream");
}

#endif
