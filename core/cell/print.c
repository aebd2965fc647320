/* SPDX-License-Identifier: MIT */
/* The canonical text of a cell: what is stored, hashed and shown. */
#include "cell/ast.h"

#include <stdio.h>
#include <string.h>

#include "base/text.h"

enum { LEVEL_SUM = 1, LEVEL_PRODUCT = 2, LEVEL_UNARY = 3, LEVEL_ATOM = 4 };

static void print_number(cbi_text *out, double value) {
    char buffer[32];
    cbi_text_add(out, cbi_number(buffer, value));
}

static int level_of(cbi_expr_kind kind) {
    switch (kind) {
    case CBI_EXPR_ADD:
    case CBI_EXPR_SUB:
        return LEVEL_SUM;
    case CBI_EXPR_MUL:
    case CBI_EXPR_DIV:
        return LEVEL_PRODUCT;
    case CBI_EXPR_NEG:
    case CBI_EXPR_APPLY:
        return LEVEL_UNARY;
    default:
        return LEVEL_ATOM;
    }
}

static void print_expr(cbi_text *out, const cbi_ast *ast, int index, int level) {
    const cbi_expr *e = &ast->exprs[index];
    int own = level_of(e->kind);
    if (own < level)
        cbi_text_add(out, "(");
    switch (e->kind) {
    case CBI_EXPR_NUMBER:
        print_number(out, e->number);
        break;
    case CBI_EXPR_NAME:
        cbi_text_add(out, e->name);
        break;
    case CBI_EXPR_NEXT:
        cbi_text_addf(out, "%s'", e->name);
        break;
    case CBI_EXPR_LOWER:
        cbi_text_addf(out, "lower.%s", e->name);
        break;
    case CBI_EXPR_CALL:
        cbi_text_addf(out, "%s(", e->name);
        for (int i = 0; i < e->args; i++) {
            cbi_text_add(out, i ? ", " : "");
            print_expr(out, ast, e->arg[i], LEVEL_SUM);
        }
        cbi_text_add(out, ")");
        break;
    case CBI_EXPR_APPLY:
        cbi_text_addf(out, "%s ", e->name);
        print_expr(out, ast, e->arg[0], LEVEL_ATOM);
        break;
    case CBI_EXPR_NEG:
        cbi_text_add(out, "-");
        print_expr(out, ast, e->arg[0], LEVEL_UNARY);
        break;
    default: {
        static const char *const sign[] = {" + ", " - ", "*", "/"};
        print_expr(out, ast, e->arg[0], own);
        cbi_text_add(out, sign[e->kind - CBI_EXPR_ADD]);
        print_expr(out, ast, e->arg[1], own + 1);
    }
    }
    if (own < level)
        cbi_text_add(out, ")");
}

static void print_list(cbi_text *out, const cbi_stmt *s) {
    for (size_t i = 0; i < s->number_count; i++) {
        cbi_text_add(out, i ? ", " : "");
        print_number(out, s->numbers[i]);
    }
}

static void print_stmt(cbi_text *out, const cbi_ast *ast, const cbi_stmt *s) {
    if (s->continues)
        cbi_text_add(out, ", ");
    else if (s->kind != CBI_STMT_EQUATION)
        cbi_text_addf(out, "%s ", cbi_words[s->kind]);
    cbi_text_add(out, s->kind == CBI_STMT_LOWEST ? s->word : s->name);
    if (s->prime)
        cbi_text_add(out, "'");
    if (s->dim >= 0) {
        cbi_text_add(out, "[");
        print_expr(out, ast, s->dim, LEVEL_SUM);
        cbi_text_add(out, "]");
    }
    if (s->kind == CBI_STMT_FIXED || s->kind == CBI_STMT_OUTPUT || s->kind == CBI_STMT_LOWEST)
        return;
    if (s->expr >= 0) {
        cbi_text_add(out, " = ");
        print_expr(out, ast, s->expr, LEVEL_SUM);
    } else if (s->kind == CBI_STMT_MATRIX || s->kind == CBI_STMT_INIT) {
        cbi_text_addf(out, " = %s", s->word);
        if (s->argument[0] || s->number_count) {
            cbi_text_addf(out, "(%s", s->argument);
            print_list(out, s);
            cbi_text_add(out, ")");
        }
    } else if (s->learned) {
        cbi_text_add(out, " = learned");
    } else if (s->number_count) {
        cbi_text_add(out, " = ");
        print_list(out, s);
    }
}

cb_status cbi_ast_print(const cbi_ast *ast, char **out, cb_err *err) {
    cbi_text text = {0};
    for (size_t i = 0; i < ast->stmt_count; i++) {
        if (i && !ast->stmts[i].continues)
            cbi_text_add(&text, "\n");
        print_stmt(&text, ast, &ast->stmts[i]);
    }
    cbi_text_add(&text, "\n");
    return cbi_text_take(&text, out, err);
}
