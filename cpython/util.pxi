# SPDX-License-Identifier: GPL-2.0-only
# Functions that need no Manager; all they know stands in shared/.

from cpython.bytes cimport PyBytes_AS_STRING, PyBytes_FromStringAndSize
from cpython.unicode cimport PyUnicode_DecodeUTF8
from libc.errno cimport EINVAL, EIO
from libc.stdint cimport SIZE_MAX


cdef extern from "mongoose.h" nogil:
    unsigned int mg_crc32(unsigned int, const char *, size_t)
    bint mg_random(void *, size_t)


cdef extern from "pmg.h":
    mg_str pmg_form_var(mg_str, mg_str)
    int pmg_percent_decode(mg_str, char *, bint plus)
    int PMG_JSON_NO_NUMBER, PMG_JSON_INT, PMG_JSON_REAL
    int pmg_json_find(mg_str, mg_str, mg_str *)
    int pmg_json_number(mg_str)
    long pmg_json_unescape(mg_str, char *)
    bint pmg_json_next(mg_str *, mg_str *, mg_str *)
    enum:
        PMG_JSON_ITEMS
    ctypedef struct pmg_url_parts_t:
        mg_str user, host, target
        mg_str password "pass"
        int port
        bint is_tls
    void pmg_url_split(mg_str, pmg_url_parts_t *)
    bint pmg_url_http(mg_str, pmg_url_parts_t *)
    size_t pmg_url_encode(mg_str, char *)
    long pmg_url_join(mg_str, mg_str, char *)
    ctypedef struct pmg_multipart_t:
        mg_str name, filename, type, body
        uint8_t name_form, filename_form
    int pmg_multipart_next(mg_str, size_t *, mg_str, pmg_multipart_t *, const char **)
    size_t pmg_multipart_text(mg_str, uint8_t, char *)
    size_t pmg_multipart_filename(mg_str, char *)
    size_t pmg_match_wildcards(mg_str)
    int pmg_match(mg_str, mg_str, mg_str *)
    void pmg_md5(mg_str, unsigned char *)
    void pmg_sha1(mg_str, unsigned char *)
    void pmg_sha256(mg_str, unsigned char *)
    void pmg_hmac_sha256(mg_str, mg_str, unsigned char *)
    bint pmg_same(mg_str, mg_str)
    size_t PMG_BASE64_LEN(size_t)
    void pmg_base64_encode(mg_str, char *)
    long pmg_base64_decode(mg_str, char *)
    bint pmg_random_text(char *, size_t)
    void pmg_log_set(int)
    int pmg_log_get()

cdef extern from "pmg_messages.h":
    const char *PMG_MSG_BASE64
    const char *PMG_MSG_URL_BASE
    const char *PMG_MSG_JSON_PATH
    const char *PMG_MSG_MULTIPART
    const char *PMG_MSG_RANDOM
    const char *PMG_MSG_URL_PORT


# ---- Arguments and results -----------------------------------------------------------------------


# An argument of str or bytes, which is released with this object.
@cython.final
cdef class _Data:
    cdef pmg_py_data_t data
    cdef mg_str s

    def __cinit__(self, o, name):
        pmg_py_none(&self.data)
        cdef bytes c_name = name
        pmg_py_data(o, c_name, &self.data)
        self.s = self.data.s

    def __dealloc__(self):
        pmg_py_release(&self.data)


cdef inline mg_str str_arg(object o, const char *name) except *:
    cdef mg_str s
    pmg_py_str(o, name, &s)
    return s


cdef inline mg_str no_text() noexcept:
    cdef mg_str s
    s.buf, s.len = NULL, 0
    return s


# Of UTF-8 that was checked, or was made by us.
cdef inline str utf8(const char *buf, Py_ssize_t length):
    return PyUnicode_DecodeUTF8(buf, length, "replace")


# ---- JSON ----------------------------------------------------------------------------------------


cdef mg_str json_find(_Data data, path) except *:
    cdef mg_str found
    cdef int rc = pmg_json_find(data.s, str_arg(path, "path"), &found)
    if rc < 0:
        pmg_py_raise(rc, PMG_MSG_JSON_PATH)
    return found


def json_get(data, path):
    """The JSON text at a path, as it stands there, or None."""
    cdef _Data json = _Data(data, b"data")
    cdef mg_str found = json_find(json, path)
    return utf8(found.buf, found.len) if found.buf != NULL else None


def json_get_num(data, path, default=None):
    """The number at a path as a float, or the default."""
    cdef _Data json = _Data(data, b"data")
    cdef mg_str found = json_find(json, path)
    if pmg_json_number(found) == PMG_JSON_NO_NUMBER:
        return default
    return float(pmg_py_bytes(found))


def json_get_bool(data, path, default=None):
    """The true or false at a path, or the default."""
    cdef _Data json = _Data(data, b"data")
    cdef mg_str found = json_find(json, path)
    if found.buf == NULL or (found.buf[0] != b"t" and found.buf[0] != b"f"):
        return default
    return found.buf[0] == b"t"


def json_get_long(data, path, default=0):
    """The number at a path as an int, a fraction cut off, or the default."""
    cdef _Data json = _Data(data, b"data")
    cdef mg_str found = json_find(json, path)
    cdef int kind = pmg_json_number(found)
    if kind == PMG_JSON_INT:
        return int(pmg_py_bytes(found))
    if kind == PMG_JSON_REAL:
        try:
            return int(float(pmg_py_bytes(found)))
        except OverflowError:
            pass
    return default


def json_get_str(data, path):
    """The string at a path, or None."""
    cdef _Data json = _Data(data, b"data")
    cdef mg_str found = json_find(json, path)
    return json_string(found) if found.buf != NULL and found.buf[0] == b'"' else None


cdef str json_string(mg_str token):
    cdef bytes room = PyBytes_FromStringAndSize(NULL, token.len)
    cdef char *buf = PyBytes_AS_STRING(room)
    return utf8(buf, pmg_json_unescape(token, buf))


def json_items(data, path="$"):
    """What the array or object at a path holds: texts, or (name, text) pairs; None for others."""
    cdef _Data json = _Data(data, b"data")
    cdef mg_str rest = json_find(json, path)
    cdef mg_str key, value
    if rest.buf == NULL or (rest.buf[0] != b"[" and rest.buf[0] != b"{"):
        return None
    items = []
    while pmg_json_next(&rest, &key, &value):
        if len(items) == PMG_JSON_ITEMS:
            raise DecodeError(f"json_items() gives at most {PMG_JSON_ITEMS} items")
        item = utf8(value.buf, value.len)
        items.append(item if key.buf == NULL else (json_string(key), item))
    return items


# ---- URLs and forms ------------------------------------------------------------------------------


cdef pmg_url_parts_t url_split(url) except *:
    cdef pmg_url_parts_t parts
    pmg_url_split(str_arg(url, "url"), &parts)
    return parts


def url_port(url):
    """The port of a URL, its scheme's default, or 0."""
    cdef int port = url_split(url).port
    if port < 0:
        pmg_py_raise(-EILSEQ, PMG_MSG_URL_PORT)
    return port


def url_host(url):
    """The host of a URL, IPv6 in its brackets."""
    return pmg_py_text(url_split(url).host)


def url_user(url):
    """The user of a URL, as it is written there."""
    return pmg_py_text(url_split(url).user)


def url_pass(url):
    """The password of a URL, as it is written there."""
    return pmg_py_text(url_split(url).password)


cdef str uri_text(mg_str target):
    text = pmg_py_text(target)
    return text if text[:1] == "/" else "/" + text


def url_uri(url):
    """Path and query of a URL: "/" at least."""
    return uri_text(url_split(url).target)


def _http_url(url):
    """(is it https?, host, port, path and query) of a URL of HTTP; None for anything else. For client."""
    cdef pmg_url_parts_t parts
    if not isinstance(url, str) or not pmg_url_http(str_arg(url, "url"), &parts):
        return None
    return bool(parts.is_tls), pmg_py_text(parts.host), parts.port, uri_text(parts.target)


def url_is_ssl(url):
    """Does the scheme of a URL stand for TLS?"""
    return bool(url_split(url).is_tls)


def url_join(base, ref):
    """What a relative reference means in a document at `base`."""
    cdef mg_str whole = str_arg(base, "base")
    cdef mg_str part = str_arg(ref, "ref")
    cdef bytes room = PyBytes_FromStringAndSize(NULL, whole.len + part.len + 2)
    cdef char *buf = PyBytes_AS_STRING(room)
    cdef long length = pmg_url_join(whole, part, buf)
    if length < 0:
        pmg_py_raise(<int>length, PMG_MSG_URL_BASE)
    return utf8(buf, length)


def url_encode(data):
    """Percent-encodes everything but letters, digits and -._~"""
    cdef _Data raw = _Data(data, b"data")
    cdef bytes room = PyBytes_FromStringAndSize(NULL, 3 * raw.s.len)
    cdef char *buf = PyBytes_AS_STRING(room)
    return utf8(buf, pmg_url_encode(raw.s, buf))


def url_decode(data, plus=False):
    """Undoes percent-encoding; with `plus`, "+" is a space."""
    cdef _Data raw = _Data(data, b"data")
    return percent_decoded(raw.s, plus)


cdef str percent_decoded(mg_str raw, bint plus):
    cdef bytes room = PyBytes_FromStringAndSize(NULL, raw.len)
    cdef char *buf = PyBytes_AS_STRING(room)
    cdef int length = pmg_percent_decode(raw, buf, plus)
    if length < 0:
        pmg_py_raise(length, PMG_MSG_BAD_ESCAPE)
    return utf8(buf, length)


def match(s, pattern):
    """(does it fit?, what each wildcard stands for)."""
    cdef mg_str text = str_arg(s, "s")
    cdef mg_str wanted = str_arg(pattern, "pattern")
    cdef size_t n = pmg_match_wildcards(wanted)
    cdef bytes room = PyBytes_FromStringAndSize(NULL, (n + 1) * sizeof(mg_str))
    cdef mg_str *caps = <mg_str *>PyBytes_AS_STRING(room)
    cdef int fits = pmg_match(text, wanted, caps)
    if fits < 0:
        raise MemoryError
    return (True, [utf8(caps[i].buf, caps[i].len) for i in range(n)]) if fits else (False, [])


def http_var(buf, name):
    """A parameter of a query string or form, decoded, or None."""
    cdef _Data form = _Data(buf, b"buf")
    cdef mg_str raw = pmg_form_var(form.s, str_arg(name, "name"))
    return percent_decoded(raw, True) if raw.buf != NULL else None


def http_parse_multipart(body, offset=0, boundary=""):
    """The part of a form at an offset: (offset of the next, {"name", "filename", ...})."""
    cdef pmg_multipart_t part
    cdef const char *why = NULL
    cdef size_t position = 0
    pmg_py_size(offset, "offset", &position)
    cdef _Data form = _Data(body, b"body")
    cdef int rc = pmg_multipart_next(
        form.s, &position, str_arg(boundary, "boundary"), &part, &why
    )
    if rc < 0:
        pmg_py_raise(rc, (text(PMG_MSG_MULTIPART) % text(why)).encode())
    if rc == 0:
        return (0, None)
    return (
        position,
        {
            "name": part_text(part.name, part.name_form),
            "filename": part_text(part.filename, part.filename_form),
            "content_type": pmg_py_text(part.type),
            "body": pmg_py_bytes(part.body),
        },
    )


cdef str part_text(mg_str raw, uint8_t form):
    cdef bytes room = PyBytes_FromStringAndSize(NULL, raw.len)
    cdef mg_str s
    s.buf = PyBytes_AS_STRING(room)
    s.len = pmg_multipart_text(raw, form, s.buf)
    return pmg_py_text(s)


def safe_filename(name):
    """The last component of a file name that came from elsewhere, safe to use; may be empty."""
    cdef mg_str raw = str_arg(name, "name")
    cdef bytes room = PyBytes_FromStringAndSize(NULL, raw.len)
    cdef char *buf = PyBytes_AS_STRING(room)
    return utf8(buf, pmg_multipart_filename(raw, buf))


# ---- Hashes, Base64, random ----------------------------------------------------------------------


def md5(data):
    """MD5: 16 bytes."""
    cdef _Data raw = _Data(data, b"data")
    cdef bytes digest = PyBytes_FromStringAndSize(NULL, 16)
    pmg_md5(raw.s, <unsigned char *>PyBytes_AS_STRING(digest))
    return digest


def sha1(data):
    """SHA-1: 20 bytes."""
    cdef _Data raw = _Data(data, b"data")
    cdef bytes digest = PyBytes_FromStringAndSize(NULL, 20)
    pmg_sha1(raw.s, <unsigned char *>PyBytes_AS_STRING(digest))
    return digest


def sha256(data):
    """SHA-256: 32 bytes."""
    cdef _Data raw = _Data(data, b"data")
    cdef bytes digest = PyBytes_FromStringAndSize(NULL, 32)
    pmg_sha256(raw.s, <unsigned char *>PyBytes_AS_STRING(digest))
    return digest


def hmac_sha256(key, data):
    """HMAC with SHA-256: 32 bytes."""
    cdef _Data secret = _Data(key, b"key")
    cdef _Data raw = _Data(data, b"data")
    cdef bytes digest = PyBytes_FromStringAndSize(NULL, 32)
    pmg_hmac_sha256(secret.s, raw.s, <unsigned char *>PyBytes_AS_STRING(digest))
    return digest


def compare_digest(a, b):
    """Are both the same? In a time that does not tell where they differ."""
    cdef _Data one = _Data(a, b"a")
    cdef _Data other = _Data(b, b"b")
    return bool(pmg_same(one.s, other.s))


def base64_encode(data):
    """Base64 of bytes, as a str."""
    cdef _Data raw = _Data(data, b"data")
    cdef size_t length = PMG_BASE64_LEN(raw.s.len)
    cdef bytes room = PyBytes_FromStringAndSize(NULL, length)
    pmg_base64_encode(raw.s, PyBytes_AS_STRING(room))
    return room.decode("ascii")


def base64_decode(data):
    """The bytes that a Base64 text stands for."""
    cdef _Data raw = _Data(data, b"data")
    cdef bytes room = PyBytes_FromStringAndSize(NULL, raw.s.len // 4 * 3)
    cdef long length = pmg_base64_decode(raw.s, PyBytes_AS_STRING(room))
    if length < 0:
        pmg_py_raise(-EILSEQ, PMG_MSG_BASE64)
    return room[:length]


def crc32(data, initial=0):
    """CRC-32 of bytes, going on from `initial`."""
    cdef _Data raw = _Data(data, b"data")
    int_arg(initial, "initial")
    return mg_crc32(<unsigned int>(initial & 0xFFFFFFFF), raw.s.buf, raw.s.len)


cdef bytes random_room(length):
    cdef size_t size = 0
    pmg_py_size(length, "length", &size)
    if size > SIZE_MAX // 2:
        raise MemoryError
    return PyBytes_FromStringAndSize(NULL, <Py_ssize_t>size)


def random_bytes(length):
    """So many random bytes, fit for keys."""
    cdef bytes room = random_room(length)
    if not mg_random(PyBytes_AS_STRING(room), len(room)):
        pmg_py_raise(-EIO, PMG_MSG_RANDOM)
    return room


def random_str(length):
    """So many random letters and digits, fit for tokens."""
    cdef bytes room = random_room(length)
    if not pmg_random_text(PyBytes_AS_STRING(room), len(room)):
        pmg_py_raise(-EIO, PMG_MSG_RANDOM)
    return room.decode("ascii")


# ---- Clock and log -------------------------------------------------------------------------------


def millis():
    """Milliseconds of a clock that never goes back."""
    return pmg_port_millis()


def log_set(level):
    """Which events are written to standard error: MG_LL_NONE to MG_LL_VERBOSE."""
    pmg_log_set(small_int_arg(level, "level"))


def log_get():
    """The level that log_set() set."""
    return pmg_log_get()
