/* SPDX-License-Identifier: MIT */
/*
 * JSON text in and out. Values live in Jansson's types and in memory of our table.
 *
 * Jansson's lexer does not look whether its buffer could grow and reads past the end when it could
 * not. So while a text is parsed a refused allocation is met from a small reserve of the C
 * library's, the text is cut off there, and the whole is reported as CB_ENOMEM.
 */
#include "base/json.h"

#include <locale.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "base/text.h"

enum {
    DEPTH_MOST = 200,
    FEED = 32,    /* bytes of text handed over at a time: so many are read on after a refusal */
    RESERVE = 256 /* blocks that this much text can ask for, generously */
};

typedef struct json_source {
    const char *text;
    size_t length, position;
    int refused;            /* an allocation was, so that nothing more is to be read */
    void *reserve[RESERVE]; /* blocks of the C library */
    size_t reserved;
} json_source;

static _Thread_local json_source *parsing; /* of this thread's call of cbi_json_parse, else NULL */

static void *allocate(size_t size) {
    void *block = cbi_malloc(size);
    if (block != NULL || parsing == NULL)
        return block;
    parsing->refused = 1;
    if (parsing->reserved == RESERVE || (block = malloc(size)) == NULL)
        return NULL;
    parsing->reserve[parsing->reserved++] = block;
    return block;
}

static void release(void *block) {
    for (size_t i = 0; parsing != NULL && i < parsing->reserved; i++) {
        if (parsing->reserve[i] == block) {
            free(block);
            parsing->reserve[i] = parsing->reserve[--parsing->reserved];
            return;
        }
    }
    cbi_free(block);
}

/* Before anything of ours runs, so that no value is made with one allocator and freed with the
 * other; and back when the Lua module is unloaded from a process that goes on using Jansson. */
__attribute__((constructor)) static void use_our_memory(void) {
    json_set_alloc_funcs(allocate, release);
}

__attribute__((destructor)) static void use_libc_memory(void) {
    json_set_alloc_funcs(malloc, free);
}

static size_t feed(void *buffer, size_t size, void *context) {
    json_source *source = context;
    size_t n = source->length - source->position;
    if (source->refused)
        return 0;
    n = n < size ? n : size;
    n = n < FEED ? n : FEED;
    memcpy(buffer, source->text + source->position, n);
    source->position += n;
    return n;
}

/* Refuses what is nested too deeply before any recursion meets it. */
static cb_status check_depth(const char *text, size_t length, const char *what, cb_err *err) {
    size_t depth = 0, line = 1, start = 0;
    int quoted = 0;
    for (size_t i = 0; i < length; i++) {
        char c = text[i];
        if (c == '\n') {
            line++;
            start = i + 1;
        } else if (quoted) {
            if (c == '\\')
                i++;
            else if (c == '"')
                quoted = 0;
        } else if (c == '"') {
            quoted = 1;
        } else if (c == '[' || c == '{') {
            if (++depth > DEPTH_MOST)
                return cb_fail(err, CB_EPARSE,
                               "%s: line %zu, column %zu: nested deeper than %d levels", what, line,
                               i - start + 1, DEPTH_MOST);
        } else if ((c == ']' || c == '}') && depth > 0) {
            depth--;
        }
    }
    return CB_OK;
}

/* Jansson reads numbers by the locale of the host process, whose decimal mark it takes for one
 * byte: while it reads, this thread has the "C" locale, which costs nothing and cannot fail. */
static json_t *load(json_source *source, json_error_t *error) {
    locale_t before = uselocale(newlocale(LC_ALL_MASK, "C", (locale_t)0));
    json_t *value =
        json_load_callback(feed, source, JSON_REJECT_DUPLICATES | JSON_DECODE_ANY, error);
    (void)uselocale(before);
    return value;
}

cb_status cbi_json_parse(json_t **out, const char *text, size_t length, const char *what,
                         cb_err *err) {
    *out = NULL;
    cb_status st = check_depth(text, length, what, err);
    if (st != CB_OK)
        return st;
    json_source source = {.text = text, .length = length};
    json_error_t error = {.line = 1};
    parsing = &source;
    json_t *value = load(&source, &error);
    if (source.refused && value != NULL) {
        json_decref(value);
        value = NULL;
    }
    parsing = NULL;
    if (source.refused)
        return cb_fail(err, CB_ENOMEM, "%s: no memory for %zu bytes of JSON", what, length);
    if (value == NULL)
        return cb_fail(err, CB_EPARSE, "%s: line %d, column %d: %s", what, error.line,
                       error.column > 0 ? error.column : 1, error.text);
    *out = value;
    return CB_OK;
}

static void write_string(cbi_text *text, const char *data, size_t length) {
    static const char escaped[] = "\"\\\b\f\n\r\t", letters[] = "\"\\bfnrt";
    cbi_text_add_n(text, "\"", 1);
    for (size_t i = 0; i < length; i++) {
        const char *found = data[i] != '\0' ? strchr(escaped, data[i]) : NULL;
        if (found != NULL)
            cbi_text_addf(text, "\\%c", letters[found - escaped]);
        else if ((unsigned char)data[i] < 0x20)
            cbi_text_addf(text, "\\u%04x", (unsigned)(unsigned char)data[i]);
        else
            cbi_text_add_n(text, data + i, 1);
    }
    cbi_text_add_n(text, "\"", 1);
}

/* Always 17 digits: the text is hashed, so it must not depend on a search for the shortest. */
static void write_real(cbi_text *text, double value) {
    char buffer[40];
    (void)snprintf(buffer, sizeof buffer, "%.17g", value == 0.0 ? 0.0 : value);
    int plain = 1, marked = 0;
    for (const char *c = buffer; *c != '\0'; c++) {
        int digit = strchr("0123456789+-e", *c) != NULL;
        if (digit)
            cbi_text_add_n(text, c, 1);
        else if (!marked) /* the decimal mark of any locale, of one or more bytes */
            cbi_text_add_n(text, ".", 1);
        marked |= !digit;
        plain &= digit && *c != 'e';
    }
    if (plain)
        cbi_text_add(text, ".0");
}

static int by_bytes(const void *a, const void *b) {
    return strcmp(*(const char *const *)a, *(const char *const *)b);
}

static cb_status write_value(cbi_text *text, const json_t *value, size_t depth, cb_err *err);

static cb_status write_object(cbi_text *text, const json_t *value, size_t depth, cb_err *err) {
    cb_status st = CB_OK;
    size_t n = json_object_size(value), filled = 0;
    const char **keys = cbi_calloc(n, sizeof *keys);
    if (keys == NULL)
        return cb_fail(err, CB_ENOMEM, "JSON: no memory for %zu keys", n);
    /* Jansson's iterators ask for a changeable object; nothing is changed. */
    json_t *object = (json_t *)value;
    for (void *at = json_object_iter(object); at != NULL && filled < n;
         at = json_object_iter_next(object, at))
        keys[filled++] = json_object_iter_key(at);
    if (filled > 0)
        qsort(keys, filled, sizeof *keys, by_bytes);
    cbi_text_add(text, "{");
    for (size_t i = 0; i < filled && st == CB_OK; i++) {
        if (i > 0)
            cbi_text_add(text, ",");
        write_string(text, keys[i], strlen(keys[i]));
        cbi_text_add(text, ":");
        st = write_value(text, json_object_get(value, keys[i]), depth + 1, err);
    }
    cbi_text_add(text, "}");
    cbi_free(keys);
    return st;
}

static cb_status write_value(cbi_text *text, const json_t *value, size_t depth, cb_err *err) {
    cb_status st = CB_OK;
    if (depth > DEPTH_MOST)
        return cb_fail(err, CB_EARG, "JSON: nested deeper than %d levels", DEPTH_MOST);
    switch (json_typeof(value)) {
    case JSON_OBJECT:
        return write_object(text, value, depth, err);
    case JSON_ARRAY:
        cbi_text_add(text, "[");
        for (size_t i = 0; i < json_array_size(value) && st == CB_OK; i++) {
            if (i > 0)
                cbi_text_add(text, ",");
            st = write_value(text, json_array_get(value, i), depth + 1, err);
        }
        cbi_text_add(text, "]");
        return st;
    case JSON_STRING:
        write_string(text, json_string_value(value), json_string_length(value));
        return CB_OK;
    case JSON_INTEGER:
        cbi_text_addf(text, "%" JSON_INTEGER_FORMAT, json_integer_value(value));
        return CB_OK;
    case JSON_REAL:
        write_real(text, json_real_value(value));
        return CB_OK;
    case JSON_TRUE:
        cbi_text_add(text, "true");
        return CB_OK;
    case JSON_FALSE:
        cbi_text_add(text, "false");
        return CB_OK;
    case JSON_NULL:
        cbi_text_add(text, "null");
        return CB_OK;
    }
    return cb_fail(err, CB_EINTERNAL, "JSON: a value of no known type");
}

cb_status cbi_json_canonical(char **out, const json_t *value, cb_err *err) {
    *out = NULL;
    if (value == NULL)
        return cb_fail(err, CB_EARG, "JSON: expected a value, got none");
    cbi_text text = {0};
    cb_status st = write_value(&text, value, 1, err);
    if (st == CB_OK)
        st = cbi_text_take(&text, out, err);
    cbi_text_fini(&text);
    return st;
}
