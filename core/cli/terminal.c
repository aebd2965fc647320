/* SPDX-License-Identifier: MIT */
/*
 * Texts for a terminal. Whatever comes from a file or a database may hold escape sequences; nothing
 * of it reaches a terminal raw. Widths are those of wcwidth, so main() must have chosen a UTF-8
 * character type; without one every byte beyond ASCII is written escaped, which is safe.
 */
#include "cli/cli.h"

#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <time.h>
#include <unistd.h>
#include <wchar.h>

#include "base/alloc.h"
#include "base/text.h"

int cbi_cli_is_tricky(unsigned c) {
    return c == 0x061c || (c >= 0x200b && c <= 0x200f) || (c >= 0x2028 && c <= 0x202e) ||
           (c >= 0x2060 && c <= 0x206f) || c == 0xfeff || (c >= 0xfff0 && c <= 0xfffb) ||
           c == 0xfffe || c == 0xffff || (c >= 0xe0000 && c <= 0xe0fff);
}

char *cbi_cli_printable(const char *text, size_t n, int newlines) {
    cbi_text out = {0};
    mbstate_t state;
    memset(&state, 0, sizeof state);
    for (size_t i = 0; i < n;) {
        wchar_t c = 0;
        size_t used = mbrtowc(&c, text + i, n - i, &state);
        if (used == (size_t)-1 || used == (size_t)-2) {
            memset(&state, 0, sizeof state);
            cbi_text_addf(&out, "\\x%02x", (unsigned)(unsigned char)text[i]);
            i++;
            continue;
        }
        if (used == 0)
            used = 1; /* the character 0 */
        if (newlines && (c == L'\n' || c == L'\t'))
            cbi_text_add(&out, c == L'\n' ? "\n" : "    ");
        else if (c == L'\n' || c == L'\t' || c == L'\r')
            cbi_text_add(&out, c == L'\n' ? "\\n" : c == L'\t' ? "\\t" : "\\r");
        else if (c < 0x100 && wcwidth(c) < 0)
            cbi_text_addf(&out, "\\x%02x", (unsigned)c);
        else if (wcwidth(c) < 0 || cbi_cli_is_tricky((unsigned)c))
            cbi_text_addf(&out, c > 0xffff ? "\\U%08x" : "\\u%04x", (unsigned)c);
        else
            cbi_text_add_n(&out, text + i, used);
        i += used;
    }
    char *result = NULL;
    if (cbi_text_take(&out, &result, NULL) != CB_OK)
        result = NULL;
    cbi_text_fini(&out);
    return result;
}

void cbi_cli_put(FILE *file, const char *text) {
    char *safe = cbi_cli_printable(text, strlen(text), 0);
    fputs(safe != NULL ? safe : "?", file);
    cbi_free(safe);
}

/* Steps over one character; *columns receives its width. */
static size_t step(const char *text, size_t *columns) {
    mbstate_t state;
    wchar_t c = 0;
    memset(&state, 0, sizeof state);
    size_t used = mbrtowc(&c, text, strlen(text), &state);
    if (used == 0 || used == (size_t)-1 || used == (size_t)-2) {
        *columns = 1;
        return 1;
    }
    int width = wcwidth(c);
    *columns = width < 0 ? 1 : (size_t)width;
    return used;
}

size_t cbi_cli_columns(const char *text) {
    size_t sum = 0, width;
    for (; *text != '\0'; sum += width)
        text += step(text, &width);
    return sum;
}

void cbi_cli_cut(char *text, size_t columns) {
    size_t sum = 0, width;
    while (*text != '\0') {
        size_t used = step(text, &width);
        if (sum + width > columns) {
            *text = '\0';
            return;
        }
        sum += width;
        text += used;
    }
}

/* Bytes of the next line of at most `columns`: up to a space, or, for a long word, all of it. */
static size_t line_length(const char *text, size_t columns) {
    size_t sum = 0, width, end = 0;
    for (size_t i = 0; text[i] != '\0';) {
        if (text[i] == ' ')
            end = i;
        i += step(text + i, &width);
        sum += width;
        if (sum > columns && end > 0)
            return end;
        if (text[i] == '\0')
            return i;
    }
    return 0;
}

void cbi_cli_wrapped(const char *text, size_t indent, size_t width) {
    const size_t columns = width > indent + 20 ? width - indent : 20;
    for (int first = 1; *text != '\0'; first = 0) {
        size_t n = line_length(text, columns);
        printf("%s%*s%.*s", first ? "" : "\n", first ? 0 : (int)indent, "", (int)n, text);
        text += n;
        text += strspn(text, " ");
    }
    putchar('\n');
}

void cbi_cli_labelled(const char *label, const char *text) {
    enum { INDENT = 11, WIDEST = 100 };
    size_t columns, lines;
    cbi_cli_terminal_size(STDOUT_FILENO, &columns, &lines);
    char *safe = text != NULL ? cbi_cli_printable(text, strlen(text), 0) : NULL;
    printf("%-*s", INDENT, label);
    cbi_cli_wrapped(safe != NULL ? safe : "-", INDENT, columns > WIDEST ? WIDEST : columns);
    cbi_free(safe);
}

void cbi_cli_terminal_size(int descriptor, size_t *columns, size_t *lines) {
    struct winsize size;
    memset(&size, 0, sizeof size);
    int known = ioctl(descriptor, TIOCGWINSZ, &size) == 0;
    *columns = known && size.ws_col > 0 ? size.ws_col : 80;
    *lines = known && size.ws_row > 0 ? size.ws_row : 24;
}

double cbi_cli_seconds(void) {
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (double)now.tv_sec + 1e-9 * (double)now.tv_nsec;
}

const char *cbi_cli_duration(char *buffer, double seconds) {
    if (!isfinite(seconds) || seconds < 0.0)
        snprintf(buffer, 32, "?");
    else if (seconds < 0.9995)
        snprintf(buffer, 32, "%.0f ms", 1000.0 * seconds);
    else if (seconds < 9.95)
        snprintf(buffer, 32, "%.1f s", seconds);
    else if (seconds < 59.5)
        snprintf(buffer, 32, "%.0f s", seconds);
    else if (seconds < 3570.0)
        snprintf(buffer, 32, "%.0f min %02.0f s", floor((seconds + 0.5) / 60.0),
                 floor(fmod(seconds + 0.5, 60.0)));
    else if (seconds < 86370.0)
        snprintf(buffer, 32, "%.0f h %02.0f min", floor((seconds + 30.0) / 3600.0),
                 floor(fmod((seconds + 30.0) / 60.0, 60.0)));
    else if (seconds < 3.2e9)
        snprintf(buffer, 32, "%.0f d %.0f h", floor((seconds + 1800.0) / 86400.0),
                 floor(fmod((seconds + 1800.0) / 3600.0, 24.0)));
    else
        snprintf(buffer, 32, "%.2g years", seconds / 31556952.0);
    return buffer;
}

const char *cbi_cli_scaled(char *buffer, double value, const char *unit) {
    static const char *const prefixes[] = {"", "k", "M", "G", "T", "P", "E"};
    size_t i = 0;
    while (value >= 999.5 && i + 1 < sizeof prefixes / sizeof *prefixes) {
        value /= 1000.0;
        i++;
    }
    int decimals = i == 0 || value >= 99.95 ? 0 : value >= 9.995 ? 1 : 2;
    snprintf(buffer, 48, "%.*f %s%s", decimals, value, prefixes[i], unit);
    return buffer;
}

const char *cbi_cli_grouped(char *buffer, uint64_t value) {
    char digits[24];
    size_t n = (size_t)snprintf(digits, sizeof digits, "%" PRIu64, value), used = 0;
    for (size_t i = 0; i < n; i++) {
        if (i > 0 && (n - i) % 3 == 0)
            buffer[used++] = ',';
        buffer[used++] = digits[i];
    }
    buffer[used] = '\0';
    return buffer;
}
