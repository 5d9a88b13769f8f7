/*
 * terminal: a run on a real terminal: the block at its bottom, keys that signal, and its end.
 */
#include "fixture.h"
#include "screen.h"

static const char hour[] = "bronze@2024-01-01T21";
static const char range[] = "--from 2024-01-01T21 --to 2024-01-02T00";

/* A program and what its terminal shows. */
struct seen {
    struct e2e *t;
    struct e2e_proc *p;
    struct screen screen;
};

static void open_terminal(struct seen *s, struct e2e *t, int columns, int rows, const char *args)
{
    s->t = t;
    s->p = e2e_start_on_terminal(t, columns, rows, "%s", args);
    screen_init(&s->screen, columns > 0 ? columns : 80, rows > 0 ? rows : 24);
}

static void look(struct seen *s)
{
    (void)e2e_is_over(s->p);
    screen_feed(&s->screen, e2e_stdout(s->p));
}

static char *shown(struct seen *s)
{
    char *lines;

    look(s);
    lines = screen_lines(&s->screen);
    (void)e2e_text(s->t, "%s", lines);
    return lines;
}

static bool line_begins(const char *lines, const char *with)
{
    for (const char *at = lines; at != NULL; at = strchr(at, '\n')) {
        at += *at == '\n';
        if (strncmp(at, with, strlen(with)) == 0)
            return true;
    }
    return false;
}

/* Until the last row of the screen is the bar. */
static void until_bar(struct seen *s)
{
    int64_t waited = 0;
    bool is_bar = false;

    while (!is_bar) {
        char *row;

        if (e2e_is_over(s->p) || waited > E2E_PATIENCE_MS)
            e2e_fail(s->t, "no bar appears");
        look(s);
        row = screen_row(&s->screen, 0);
        is_bar = strncmp(row, "[=", 2) == 0 || strncmp(row, "[>", 2) == 0;
        free(row);
        e2e_pause(s->t, 5);
        waited += 5;
    }
}

/* Nothing of a block is left, nor of its colours. */
static void is_clean(struct seen *s, const char *job)
{
    char *lines = shown(s);

    if (line_begins(lines, "[=") || line_begins(lines, "[>") || line_begins(lines, job) ||
        s->screen.unknown || s->screen.coloured || s->screen.hidden) {
        print_error("%s\n", lines);
        free(lines);
        fail_msg("something is left: unknown %d, coloured %d, hidden %d", s->screen.unknown,
                 s->screen.coloured, s->screen.hidden);
    }
    free(lines);
}

static void assert_no_claims(struct e2e *t)
{
    char *files = e2e_text(t, "find %s/warehouse/_stagegraph/claims -type f | grep -q .", t->dir);

    assert_int_not_equal(system(files), 0);
}

/* The usual graph, the job of the first hour standing at gate.a. */
static void graph_with_gate(struct e2e *t)
{
    e2e_flights(t);
    e2e_gate(t, "a");
    e2e_does(t, hour, "echo $$ >job.pid\nread -r x <gate.a\n");
}

/* ---- the block */

static void the_block_is_drawn_and_nothing_of_it_stays(void **state)
{
    static const int widths[] = { 80, 40, 10, 2, 1, 0 };

    for (size_t i = 0; i < sizeof(widths) / sizeof(widths[0]); i++) {
        struct e2e *t = *state;
        struct seen s;
        char *lines;

        e2e_remove(t, "gate.a");
        e2e_remove(t, "warehouse");
        graph_with_gate(t);
        open_terminal(&s, t, widths[i], widths[i] == 0 ? 0 : 24, e2e_text(t, "run -j2 %s", range));
        (void)e2e_gate_reached(t, "a");
        if (widths[i] != 1 && widths[i] != 2) {
            until_bar(&s);
            assert_false(s.screen.at[s.screen.n - 1].goes_on); /* its lines don't wrap */
            assert_false(s.screen.at[s.screen.n - 2].goes_on);
        }
        e2e_gate_open(t, "a");
        e2e_wait(s.p, 0);
        is_clean(&s, "bronze@2024-01-01T21  ");
        lines = shown(&s);
        e2e_says(lines, "FULL PIPELINE COMPLETE");
        assert_int_equal(e2e_count(lines, "bronze@2024-01-01T21 OK"), 1);
        free(lines);
        screen_done(&s.screen);
    }
}

static void lines_of_jobs_go_above_the_block_whole(void **state)
{
    struct e2e *t = *state;
    struct seen s;
    char *lines;

    graph_with_gate(t);
    e2e_does(t, "bronze@2024-01-01T22",
             "for i in 1 2 3 4 5 6 7 8 9; do echo \"line $i of nine\"; sleep 0.03; done\n"
             "printf 'half a line'; echo >half; read -r x <gate.b; echo ' and the rest'\n");
    e2e_gate(t, "b");
    e2e_does(t, "bronze@2024-01-01T23", "");
    open_terminal(&s, t, 80, 24, e2e_text(t, "run -j2 --upto bronze %s", range));
    e2e_until_exists(t, "half");
    until_bar(&s);
    e2e_until(s.p, "half a line"); /* in the block */
    e2e_gate_open(t, "a");
    e2e_gate_open(t, "b");
    e2e_wait(s.p, 0);
    lines = shown(&s);
    for (int i = 1; i <= 9; i++)
        assert_int_equal(
            e2e_count(lines, e2e_text(t, "\nbronze@2024-01-01T22 | line %d of nine\n", i)), 1);
    assert_int_equal(e2e_count(lines, "\nbronze@2024-01-01T22 | half a line and the rest\n"), 1);
    free(lines);
    screen_done(&s.screen);
}

static void a_terminal_may_change_its_size_at_any_time(void **state)
{
    static const struct {
        int columns, rows;
    } sizes[] = { { 40, 24 }, { 120, 24 }, { 30, 10 }, { 100, 50 }, { 64, 3 }, { 80, 24 } };
    struct e2e *t = *state;
    struct seen s;

    graph_with_gate(t);
    e2e_gate(t, "b");
    e2e_does(t, "bronze@2024-01-01T22", "echo $$ >other.pid\nread -r x <gate.b\n");
    open_terminal(&s, t, 80, 24, e2e_text(t, "run -j2 %s", range));
    (void)e2e_pid_in(t, "job.pid");
    (void)e2e_pid_in(t, "other.pid");
    until_bar(&s);
    for (size_t i = 0; i < sizeof(sizes) / sizeof(sizes[0]); i++) {
        size_t before;

        look(&s);
        before = strlen(e2e_stdout(s.p));
        e2e_resize(s.p, sizes[i].columns, sizes[i].rows);
        screen_resize(&s.screen, sizes[i].columns, sizes[i].rows);
        while (strlen(e2e_stdout(s.p)) == before) /* it is cleared and drawn anew */
            e2e_pause(t, 5);
        until_bar(&s);
    }
    e2e_gate_open(t, "a");
    e2e_gate_open(t, "b");
    e2e_wait(s.p, 0);
    is_clean(&s, "bronze@2024-01-01T21  ");
    is_clean(&s, "bronze@2024-01-01T22  ");
    screen_done(&s.screen);
}

static bool has_byte_above(const char *text, unsigned char most)
{
    for (; *text != '\0'; text++)
        if ((unsigned char)*text > most)
            return true;
    return false;
}

static void a_terminal_without_utf8_gets_ascii(void **state)
{
    struct e2e *t = *state;
    struct seen s;

    graph_with_gate(t);
    e2e_setenv(t, "LC_ALL", "C");
    open_terminal(&s, t, 30, 24, e2e_text(t, "run -j2 %s", range)); /* narrow: lines are cut */
    (void)e2e_gate_reached(t, "a");
    until_bar(&s);
    e2e_gate_open(t, "a");
    e2e_wait(s.p, 0);
    is_clean(&s, "bronze@2024-01-01T21  ");
    assert_false(has_byte_above(t->out, 0x7e));
    e2e_says(t->out, "->");
    screen_done(&s.screen);
}

static void no_controls(const char *text)
{
    for (const char *at = text; *at != '\0'; at++)
        if (((unsigned char)*at < 0x20 && *at != '\n' && *at != '\r') || *at == 0x7f)
            fail_msg("a control character, \\x%02x, before \"%.40s\"", (unsigned char)*at, at + 1);
}

static void a_dumb_terminal_gets_lines_alone(void **state)
{
    struct e2e *t = *state;
    struct seen s;

    graph_with_gate(t);
    e2e_setenv(t, "TERM", "dumb");
    open_terminal(&s, t, 80, 24, e2e_text(t, "run -j2 %s", range));
    (void)e2e_gate_reached(t, "a");
    e2e_gate_open(t, "a");
    e2e_wait(s.p, 0);
    no_controls(t->out);
    assert_int_equal(s.screen.seen, 0);
    e2e_says(t->out, "[1/7] ");
    screen_done(&s.screen);
}

static void what_is_no_terminal_gets_lines_alone(void **state)
{
    struct e2e *t = *state;

    e2e_flights(t);
    e2e_setenv(t, "TERM", "xterm");
    e2e_does(t, "silver", "exit 1\n");
    e2e_run(t, 1, "run -j2 %s", range);
    no_controls(t->out);
    no_controls(t->err);
    assert_null(strchr(t->out, '\r'));
}

static void colours_that_a_job_left_on_are_off_at_the_end(void **state)
{
    struct e2e *t = *state;

    e2e_flights(t);
    e2e_does(t, "bronze", "printf '\\033[?25l\\033[31mred\\n'\nexit 1\n");
    for (int jobs = 1; jobs <= 2; jobs++) {
        struct seen s;
        const char *red, *after;

        open_terminal(&s, t, 80, 24, e2e_text(t, "run -j%d %s", jobs, range));
        e2e_wait(s.p, 1);
        is_clean(&s, "bronze@2024-01-01T21  ");
        /* What we say after it has not its colour. */
        red = strstr(t->out, "\033[31mred");
        assert_non_null(red);
        after = strstr(red, "FAILED");
        assert_non_null(after);
        e2e_says(e2e_text(t, "%.*s", (int)(after - red), red), "\033[0m");
        screen_done(&s.screen);
    }
}

/* ---- keys */

static void control_c_ends_the_run_and_leaves_a_clean_screen(void **state)
{
    struct e2e *t = *state;

    for (int columns = 80; columns >= 20; columns -= 20) {
        struct seen s;
        char *lines;

        e2e_remove(t, "gate.a");
        e2e_remove(t, "job.pid");
        graph_with_gate(t);
        open_terminal(&s, t, columns, 24, e2e_text(t, "run -j2 %s", range));
        (void)e2e_pid_in(t, "job.pid");
        until_bar(&s);
        e2e_type(s.p, "\003"); /* the terminal shows it as ^C, behind the bar */
        e2e_wait(s.p, E2E_DIED(SIGINT));
        assert_false(e2e_is_alive(e2e_pid_in(t, "job.pid")));
        is_clean(&s, "bronze@2024-01-01T21  ");
        lines = shown(&s);
        e2e_says(lines, "stagegraph resume");
        free(lines);
        assert_no_claims(t);
        screen_done(&s.screen);
    }
}

static void control_c_twice_does_not_wait_for_a_job_that_ignores_term(void **state)
{
    struct e2e *t = *state;
    struct seen s;
    pid_t job;

    e2e_flights(t);
    e2e_edit(t, "stagegraph.ini", "[stage bronze]\n", "[stage bronze]\ngrace = 10m\n");
    e2e_does(t, hour,
             "trap 'echo >got.term' TERM\necho $$ >job.pid\n"
             "while :; do sleep 0.05; done\n");
    open_terminal(&s, t, 80, 24, e2e_text(t, "run -j2 %s", range));
    job = e2e_pid_in(t, "job.pid");
    until_bar(&s);
    e2e_type(s.p, "\003");
    e2e_until_exists(t, "got.term");
    assert_true(e2e_is_alive(job));
    e2e_type(s.p, "\003");
    e2e_wait(s.p, E2E_DIED(SIGINT));
    assert_false(e2e_is_alive(job));
    is_clean(&s, "bronze@2024-01-01T21  ");
    assert_no_claims(t);
    screen_done(&s.screen);
}

/* An interactive shell, which does job control. */
static struct e2e_proc *start_shell(struct e2e *t)
{
    const char *const argv[] = { "/bin/bash", "--norc", "--noprofile", "--noediting", "-i", NULL };

    e2e_setenv(t, "PS1", "$ ");
    e2e_setenv(t, "STAGEGRAPH_BIN", getenv("STAGEGRAPH_BIN"));
    return e2e_start_argv_on_terminal(t, 80, 24, argv);
}

/* There is one, and all have so many cells. */
static void bars_have_width(const char *text, size_t width)
{
    size_t n = 0;

    for (; (text = strchr(text, '[')) != NULL; text++) {
        size_t cells = strspn(text + 1, "=> ");

        if (cells == 0 || text[1 + cells] != ']')
            continue;
        assert_int_equal(cells, width);
        n++;
    }
    assert_true(n > 0);
}

static void control_z_stops_the_tree_and_fg_goes_on(void **state)
{
    struct e2e *t = *state;
    struct e2e_proc *p;
    pid_t job;

    graph_with_gate(t);
    p = start_shell(t);
    e2e_type(p, e2e_text(t, "$STAGEGRAPH_BIN run -j2 %s; echo status $? said\n", range));
    job = e2e_pid_in(t, "job.pid");
    e2e_until(p, "[>"); /* the bar */
    e2e_type(p, "\032");
    e2e_until(p, "Stopped");
    e2e_says_not(e2e_stdout(p), "Stopped(SIGSTOP)");
    e2e_until_state(t, job, 'T', true);
    /* A size of while it slept is not signalled to what is in the background. */
    e2e_resize(p, 40, 24);
    e2e_type(p, "echo sh''ell\n");
    e2e_until(p, "shell\r\n");
    e2e_type(p, "fg; echo status $? said\n");
    e2e_until_state(t, job, 'T', false);
    e2e_gate_open(t, "a");
    e2e_until(p, "status 0 said");
    e2e_says(strstr(e2e_stdout(p), "shell\r\n"), "GOLD");
    bars_have_width(strstr(e2e_stdout(p), "shell\r\n"), 40 / 3);
    assert_true(e2e_has_receipt(t, "gold@2024-01-01"));
    e2e_type(p, "exit\n");
    e2e_wait(p, 0);
}

static void without_job_control_control_z_stops_nothing(void **state)
{
    struct e2e *t = *state;
    struct seen s;

    graph_with_gate(t);
    open_terminal(&s, t, 80, 24, e2e_text(t, "run -j2 %s", range));
    (void)e2e_pid_in(t, "job.pid");
    until_bar(&s);
    e2e_type(s.p, "\032"); /* nobody could wake it: it leads its session */
    e2e_until(s.p, "^Z");
    e2e_gate_open(t, "a");
    e2e_wait(s.p, 0);
    is_clean(&s, "bronze@2024-01-01T21  ");
    screen_done(&s.screen);
}

static void in_the_background_it_is_not_stopped_and_draws_no_block(void **state)
{
    struct e2e *t = *state;
    struct e2e_proc *p;

    graph_with_gate(t);
    p = start_shell(t);
    e2e_type(p, "stty tostop\n");
    e2e_type(p, e2e_text(t, "$STAGEGRAPH_BIN run -j2 %s &\n", range));
    (void)e2e_pid_in(t, "job.pid");
    e2e_until(p, "[1/7]"); /* lines come */
    e2e_pause(t, 300);     /* a block would have been drawn */
    e2e_says_not(e2e_stdout(p), "\033[J");
    e2e_type(p, "jobs; echo do''ne\n");
    e2e_until(p, "done\r\n");
    e2e_says(e2e_stdout(p), "Running");
    /* Taken to the front it has its block. */
    e2e_type(p, "fg; echo status $? said\n");
    e2e_until(p, "[=");
    e2e_gate_open(t, "a");
    e2e_until(p, "status 0 said");
    e2e_type(p, "exit\n");
    e2e_wait(p, 0);
}

/* ---- the terminal goes */

static void when_the_terminal_goes_the_run_dies_of_it_and_leaves_nothing(void **state)
{
    struct e2e *t = *state;
    struct e2e_proc *p;

    graph_with_gate(t);
    p = e2e_start_on_terminal(t, 80, 24, "run -j2 --json=events %s", range);
    (void)e2e_pid_in(t, "job.pid");
    e2e_until(p, "[>");
    e2e_hang_up(p);
    e2e_wait(p, E2E_DIED(SIGHUP));
    assert_false(e2e_is_alive(e2e_pid_in(t, "job.pid")));
    e2e_until_gone(t, E2E_ALL);
    assert_no_claims(t);
    e2e_says(e2e_read(t, "events"), "\"event\":\"run_finished\"");
}

static void with_nohup_the_run_goes_on_without_its_terminal(void **state)
{
    struct e2e *t = *state;
    struct e2e_proc *p;
    const char *const argv[] = { "/bin/sh", "-c",
                                 "trap '' HUP; exec \"$STAGEGRAPH_BIN\" run -j2 --upto bronze",
                                 NULL };

    graph_with_gate(t);
    e2e_setenv(t, "STAGEGRAPH_BIN", getenv("STAGEGRAPH_BIN"));
    p = e2e_start_argv_on_terminal(t, 80, 24, argv);
    (void)e2e_pid_in(t, "job.pid");
    e2e_until(p, "[>");
    e2e_hang_up(p);
    e2e_gate_open(t, "a");
    e2e_wait(p, 0);
    assert_true(e2e_has_receipt(t, hour));
}

static void a_job_has_no_terminal_to_read_from(void **state)
{
    struct e2e *t = *state;
    struct seen s;

    e2e_flights(t);
    e2e_does(t, hour,
             "if read -r x; then echo \"read $x\"; else echo end of input; fi\n"
             "if (read -r x </dev/tty) 2>/dev/null; then echo \"read $x\"; else echo no terminal; "
             "fi\n"
             "if (echo to the terminal >/dev/tty) 2>/dev/null; then echo written; "
             "else echo none to write to; fi\n"
             "[ -t 0 ] || [ -t 1 ] || [ -t 2 ] || echo none of three\n");
    open_terminal(&s, t, 80, 24, e2e_text(t, "run %s", hour));
    e2e_type(s.p, "typed ahead\n");
    e2e_wait(s.p, 0);
    e2e_says(t->out, "end of input");
    e2e_says(t->out, "no terminal");
    e2e_says(t->out, "none to write to");
    e2e_says(t->out, "none of three");
    screen_done(&s.screen);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        e2e_test(the_block_is_drawn_and_nothing_of_it_stays),
        e2e_test(lines_of_jobs_go_above_the_block_whole),
        e2e_test(a_terminal_may_change_its_size_at_any_time),
        e2e_test(a_terminal_without_utf8_gets_ascii),
        e2e_test(a_dumb_terminal_gets_lines_alone),
        e2e_test(what_is_no_terminal_gets_lines_alone),
        e2e_test(colours_that_a_job_left_on_are_off_at_the_end),
        e2e_test(control_c_ends_the_run_and_leaves_a_clean_screen),
        e2e_test(control_c_twice_does_not_wait_for_a_job_that_ignores_term),
        e2e_test(control_z_stops_the_tree_and_fg_goes_on),
        e2e_test(without_job_control_control_z_stops_nothing),
        e2e_test(in_the_background_it_is_not_stopped_and_draws_no_block),
        e2e_test(when_the_terminal_goes_the_run_dies_of_it_and_leaves_nothing),
        e2e_test(with_nohup_the_run_goes_on_without_its_terminal),
        e2e_test(a_job_has_no_terminal_to_read_from),
    };

    return cmocka_run_group_tests_name("terminal", tests, NULL, NULL);
}
