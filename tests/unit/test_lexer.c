/* SPDX-License-Identifier: PostgreSQL
 * test_lexer - tokens end where PostgreSQL's scanner ends them. Each text is drawn as a row of letters:
 * w word, q quoted name, u Unicode name, s string, n number, any symbol as itself. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "gateway/session/lexer.h"

/* Lexes a copy of exactly `length` bytes, so that a sanitizer sees one byte too many. */
static void draw(const char *text, size_t length, bool standard_strings, char *drawing)
{
    static const char letters[] = { [TOKEN_WORD] = 'w',
                                    [TOKEN_QUOTED] = 'q',
                                    [TOKEN_UNICODE] = 'u',
                                    [TOKEN_STRING] = 's',
                                    [TOKEN_NUMBER] = 'n' };
    char *exact = malloc(length == 0 ? 1 : length);
    struct lexer lexer;
    struct token token;

    memcpy(exact, text, length);
    lexer_init(&lexer, exact, length, standard_strings);
    while (lexer_next(&lexer, &token) != TOKEN_END)
        *drawing++ = token.kind == TOKEN_SYMBOL ? *token.text : letters[token.kind];
    *drawing = '\0';
    free(exact);
}

static void check_as(const char *text, bool standard_strings, const char *expected)
{
    char drawing[1000];

    draw(text, strlen(text), standard_strings, drawing);
    assert_string_equal(drawing, expected);
}

static void check(const char *text, const char *expected)
{
    check_as(text, true, expected);
    check_as(text, false, expected);
}

static void words_numbers_and_symbols(void **state)
{
    (void)state;
    check("", "");
    check(" \t\r\n\f ", "");
    check("SELECT a.b, _c1$2 FROM t;", "ww.w,www;");
    check("select 1, 1.5, .5, 1e5, 1E-5, 1.e+5, $1, $12", "wn,n,.n,n,n,n,n,n");
    check("1from 1e 1e+ 1efrom", "nwnwnw+nw");
    check("a<=b::text->>'x'", "w<=w::w->>s");
    check("\xc3\xa4\xc3\xb6 x\xff", "ww");
    check("a$b$c $1$x$ y $x$ z", "wnsw");
}

static void comments_are_skipped_and_nest(void **state)
{
    (void)state;
    check("a -- b 'c\nd", "ww");
    check("a -- b 'c\rd", "ww");
    check("a--", "w");
    check("a - - b", "w--w");
    check("a /* b /* c */ d */ e", "ww");
    check("a /*/ b */ c", "ww");
    check("a /* b **/ c", "ww");
    check("a /* b /* c */ d", "w");
    check("a +/* x */ b */ c", "w+w*/w");
    check("a +-- b\n c", "w+w");
    check("/* ' */ a -- \" \n b /* $$ */", "ww");
    check("/", "/");
    check("/*", "");
    check("/**", "");
    check("/*/", "");
}

static void strings_end_at_their_quote(void **state)
{
    (void)state;
    check("'a' b", "sw");
    check("'a''b' c", "sw");
    check("'' c", "sw");
    check("'''' c", "sw");
    check("'a--b/*c' d", "sw");
    check("'a;b", "s");
    check("'", "s");
    check("'a' 'b' c", "ssw");
    check("'a'\n'b' c", "sw");
    check("'a' -- x ' y\n 'b' c", "sw");
    check("'a' -- x", "s");
    check("'a'\n/* x */ 'b'", "ss");
}

static void backslashes_count_in_escape_strings(void **state)
{
    (void)state;
    check("E'a\\'b' c", "sw");
    check("e'a\\\\' b", "sw");
    check("E'a''b\\'' c", "sw");
    check("E'a'\n'b\\'c' d", "sw");
    check("E'a\\", "s");
    check_as("fe'a\\' b", true, "wsw");
}

static void plain_strings_depend_on_the_setting(void **state)
{
    (void)state;
    check_as("'a\\' b", true, "sw");
    check_as("'a\\' b", false, "s");
    check_as("'a\\'' b", false, "sw");
    check_as("'a\\'' b", true, "s");
    check_as("N'a\\' b", true, "sw");
    check_as("N'a\\'' b", false, "sw");
    check_as("'a'\n'b\\' c", true, "sw");
    check_as("'a'\n'b\\'' c", false, "sw");
}

static void other_strings_have_no_backslashes(void **state)
{
    (void)state;
    check("B'01' x'1F' X'a\\' b", "sssw");
    check("U&'a\\' b", "sw");
    check("u&'a' UESCAPE '!'", "sws");
    check("u & 'a'", "w&s");
    check("u&b", "w&w");
    check("b &'x'", "w&s");
}

static void names_in_quotes(void **state)
{
    struct lexer lexer;
    struct token token;

    (void)state;
    check("\"a\" b", "qw");
    check("\"a\"\"b\" c", "qw");
    check("\"a'b\" c", "qw");
    check("\"a\\\" c", "qw");
    check("\"a", "q");
    check("U&\"a\\0062\" c", "uw");
    lexer_init(&lexer, "\"a\"\"b\"", 6, true);
    assert_int_equal(lexer_next(&lexer, &token), TOKEN_QUOTED);
    assert_int_equal(token.length, 4);
    assert_memory_equal(token.text, "a\"\"b", 4);
    lexer_init(&lexer, "\"ab", 3, true);
    assert_int_equal(lexer_next(&lexer, &token), TOKEN_QUOTED);
    assert_int_equal(token.length, 2);
}

static void dollar_quotes_end_at_their_own_tag(void **state)
{
    (void)state;
    check("$$a'b$$ c", "sw");
    check("$t$a $$ b $T$ $t$ c", "sw");
    check("$t$a$$t$ c", "sw");
    check("$$$$ c", "sw");
    check("$t1$ $t$ $t1$ c", "sw");
    check("$t$a", "s");
    check("$", "$");
    check("$$", "s");
    check("$a b", "$ww");
    check("$1$$a$$", "ns");
    check("$\xc3\xa4$a$\xc3\xa4$ b", "sw");
    check("a $-$ b", "w$-$w");
}

static void every_cut_of_a_text_ends(void **state)
{
    static const char text[] =
        "a'b''c' E'\\'' \"q\"\"r\" U&\"x\" /* /* */ */ $t$ $ $$ $t$ -- x\n 1.5e-7 $1 u&'y' <= $z";
    char drawing[1000];

    (void)state;
    for (size_t length = 0; length < sizeof text; length++) {
        draw(text, length, true, drawing);
        draw(text, length, false, drawing);
        draw(text + length, sizeof text - 1 - length, true, drawing);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(words_numbers_and_symbols),
        cmocka_unit_test(comments_are_skipped_and_nest),
        cmocka_unit_test(strings_end_at_their_quote),
        cmocka_unit_test(backslashes_count_in_escape_strings),
        cmocka_unit_test(plain_strings_depend_on_the_setting),
        cmocka_unit_test(other_strings_have_no_backslashes),
        cmocka_unit_test(names_in_quotes),
        cmocka_unit_test(dollar_quotes_end_at_their_own_tag),
        cmocka_unit_test(every_cut_of_a_text_ends),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
