/*
 * completion: scripts for shells, made from the tables of commands and options.
 *
 * Floor: cli. docs/design.md, "The command line". What depends on the graph (stages, profiles,
 * params) the scripts ask of `stagegraph __complete WHAT`.
 */
#ifndef STAGEGRAPH_COMPLETION_H
#define STAGEGRAPH_COMPLETION_H

#include <stdio.h>

void sg_completion_bash(FILE *out);
void sg_completion_zsh(FILE *out);
void sg_completion_fish(FILE *out);

#endif
