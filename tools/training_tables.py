#!/usr/bin/env python3
"""The tables of docs/training.md on published runs: what weft prints of examples/ today.

    tools/training_tables.py --weft build/weft             the rows that take little time
    tools/training_tables.py --weft build/weft --update    every row, and writes them
    tools/training_tables.py --weft build/weft --fit       what is fitted, from its rows

A table stands between two comments that name it. A row is made of runs of weft; each figure of
the row but the published one is theirs.
"""

import argparse
import concurrent.futures
import functools
import json
import pathlib
import re
import subprocess
import sys

from source import ROOT

PAGE = ROOT / "docs" / "training.md"
RATIOS = ROOT / "report" / "published_runs.h"
TRAINING = "workload.training."


class Runs:
    """Runs of weft, each once, several at a time."""

    def __init__(self, weft, jobs):
        self.weft = weft
        self.pool = concurrent.futures.ThreadPoolExecutor(jobs)

    @functools.cache
    def start(self, *arguments):
        return self.pool.submit(self._run, arguments)

    def _run(self, arguments):
        run = subprocess.run([self.weft, *arguments, "--json", "-"], cwd=ROOT / "examples",
                             check=False, text=True, capture_output=True)
        if run.returncode != 0:
            sys.exit(f"training_tables: {' '.join(arguments)}: {run.stderr}")
        return json.loads(run.stdout)

    def iteration(self, file, **keys):
        """A future of the iteration of `file` with `keys` below workload.training set."""
        sets = []
        for key, value in keys.items():
            path = key.replace("__", ".")
            outside = path.startswith(("placement.", "fabric."))
            sets += ["--set", f"{path if outside else TRAINING + path}={value}"]
        return self.start("simulate", file, *sets)


def signed(value, digits, unit=" %"):
    text = f"{value:+.{digits}f}{unit}".replace("-", "−")
    return text if any(digit in text for digit in "123456789") else text[1:]  # no sign of nothing


def grouped(value):
    return f"{value:,}"


class Row:
    """`text(results)` is the row, of the results of `runs`; `cheap` ones are held by the test."""

    def __init__(self, runs, text, cheap=False):
        self.runs, self.text, self.cheap = runs, text, cheap

    def line(self):
        return self.text(*[run.result() for run in self.runs])


def time_of(result):
    return result["iteration"]["time_s"]["median"]


# MegaScale, Table 2. ----------------------------------------------------------------------------

MEGASCALE = [  # GPUs, batch, and of both columns seconds and MFU as published
    (256, 768, (40.0, 53.0), (32.0, 65.3), "plateau"),
    (1024, 768, (11.9, 44.7), (8.9, 59.0), "loading time"),
    (3072, 6144, (29.02, 48.7), (23.66, 59.1), ""),
    (12288, 6144, (8.57, 41.2), (6.34, 55.2), ""),
    (256, 256, (None, 47.7), (None, 62.3), ""),
]
# What Megatron-LM takes longer to begin an iteration, for want of what Table 3 calls misc, "such as
# data pipeline optimizations" (§6.1): 61.2 % of MFU in place of 62.3, 256 sequences on 256 GPUs, and
# 1.066 TFLOP a token.
MISC_S = 256 * 2048 * 1.066e12 / (256 * 312e12) * (1 / 0.612 - 1 / 0.623)
COLUMNS = [("Megatron-LM", "megascale/megatron_lm.yaml"), ("MegaScale", "megascale/megascale.yaml")]


def megascale_run(runs, file, gpus, batch, **more):
    return runs.iteration(file, placement__gpus=gpus, parallel__data=gpus // 64,
                          global_batch=batch, **more)


def megascale(runs):
    for gpus, batch, *published, fitted in MEGASCALE:
        for (name, file), (seconds, mfu) in zip(COLUMNS, published):
            def text(run, gpus=gpus, batch=batch, name=name, seconds=seconds, mfu=mfu,
                     fitted=fitted):
                ours = 100 * run["iteration"]["mfu"]
                return (f"| {grouped(gpus)} | {grouped(batch)} | {name} | {seconds or '–'} | "
                        f"{time_of(run):.2f} | {mfu} | {ours:.2f} | {signed(ours - mfu, 2, '')} | "
                        f"{fitted + ' ' if fitted else ''}|")
            yield Row([megascale_run(runs, file, gpus, batch)], text, batch == 256)


# Llama 3, Table 4. ------------------------------------------------------------------------------

LLAMA = "llama3/llama3.yaml"
LLAMA_ROWS = [
    (8192, dict(), 430, "plateau"),
    (16384, dict(parallel__data=128), 400, ""),
    (16384, dict(parallel__data=8, parallel__context=16, sequence=131072, global_batch=128), 380,
     ""),
]


def llama(runs):
    def row(gpus, keys, published, label, fitted, causal):
        def text(run):
            i = run["iteration"]
            per_gpu = i["tokens_per_s"] * i["flops_per_token"] / gpus / 1e12
            of_causal = per_gpu * i["mfu_causal"] / i["mfu"]
            off = signed(100 * (per_gpu / published - 1), 1)
            if causal:
                off += ", " + signed(100 * (of_causal / published - 1), 1)
            return (f"| {label} | {published} | {per_gpu:.1f} | {of_causal:.1f} | {off} | "
                    f"{fitted + ' ' if fitted else ''}|")
        return Row([runs.iteration(LLAMA, placement__gpus=gpus, **keys)], text)

    for gpus, keys, published, fitted in LLAMA_ROWS:
        label = (f"{grouped(gpus)} | {grouped(keys.get('sequence', 8192))} | "
                 f"{keys.get('parallel__context', 1)}")
        yield row(gpus, keys, published, label, fitted, "sequence" in keys)
    gpus, keys, published, _ = LLAMA_ROWS[2]
    for forward, backward in ((75, 58), (35, 30)):
        more = dict(keys, efficiency__attention_forward=f"{forward}%",
                    efficiency__attention_backward=f"{backward}%")
        label = f"the same, attention at {forward} % and {backward} % of peak | |"
        yield row(gpus, more, published, label, "", True)


# Selene. ----------------------------------------------------------------------------------------

SELENE = [("22B", 8, 1.42, "1.10"), ("175B", 64, 18.13, "13.75"), ("530B", 280, 49.05, "37.83"),
          ("1T", 512, 94.42, "71.49")]


def selene(runs):
    for name, gpus, full, selective in SELENE:
        file = f"selene/{name.lower()}.yaml"
        def text(first, second, name=name, gpus=gpus, full=full, selective=selective):
            off = [100 * (time_of(run) / float(published) - 1)
                   for run, published in ((first, full), (second, selective))]
            digits = [3 if time_of(run) < 10 else 2 for run in (first, second)]
            return (f"| {name} | {gpus} | {full} | {time_of(first):.{digits[0]}f} | "
                    f"{signed(off[0], 1)} | {selective} | {time_of(second):.{digits[1]}f} | "
                    f"{signed(off[1], 1)} |")
        yield Row([runs.iteration(file, recompute="full", parallel__sequence="false"),
                   runs.iteration(file)], text, gpus < 256)


# Megatron-LM's own rows. ------------------------------------------------------------------------

def flow(**keys):
    """A mapping as YAML writes it on one line."""
    return "{ " + ", ".join(f"{key}: {value}" for key, value in keys.items()) + " }"


def gpt(layers, hidden, heads, vocabulary, **more):
    return flow(layers=layers, hidden=hidden, heads=heads, vocabulary=vocabulary, **more)


# [NSC+21 Table 1], and of [MLM-SC21] the size of micro-batches and chunks a stage, which the paper
# does not give.
SC21 = [  # B parameters, heads, hidden, layers, TP, PP, chunks, GPUs, batch, micro-batch, TFLOPS
    ("1.7", 24, 2304, 24, 1, 1, 1, 32, 512, 16, 137),
    ("3.6", 32, 3072, 30, 2, 1, 1, 64, 512, 16, 138),
    ("7.5", 32, 4096, 36, 4, 1, 1, 128, 512, 16, 142),
    ("18.4", 48, 6144, 40, 8, 1, 1, 256, 1024, 8, 135),
    ("39.1", 64, 8192, 48, 8, 2, 1, 512, 1536, 4, 138),
    ("76.1", 80, 10240, 60, 8, 4, 3, 1024, 1792, 2, 140),
    ("145.6", 96, 12288, 80, 8, 8, 2, 1536, 2304, 2, 148),
    ("310.1", 128, 16384, 96, 8, 16, 2, 1920, 2160, 1, 155),
    ("529.6", 128, 20480, 105, 8, 35, 3, 2520, 2520, 1, 163),
    ("1,008", 160, 25600, 128, 8, 64, 1, 3072, 3072, 1, 163),
]


def sc21(runs):
    """A row a model: at its micro-batch, and from 1 to 4 those that the schedule can cut."""
    for name, heads, hidden, layers, tensor, stages, chunks, gpus, batch, micro, tflops in SC21:
        sequence, vocabulary = 2048, 51200
        flops = 96 * batch * sequence * layers * hidden**2 * (
            1 + sequence / (6 * hidden) + vocabulary / (16 * layers * hidden))
        seconds = flops / (gpus * tflops * 1e12)
        of_replica = batch * tensor * stages // gpus
        sizes = [size for size in (1, 2, 4)
                 if of_replica % size == 0 and (chunks == 1 or of_replica // size % stages == 0)]
        def at(size):
            return runs.iteration(
                "selene/cluster.yaml", fabric__units=20, placement__gpus=gpus, recompute="full",
                architecture=gpt(layers, hidden, heads, vocabulary, positions=sequence, tied="true",
                                 biases="true", dropout="true"),
                parallel=flow(tensor=tensor, pipeline=stages, virtual_stages=chunks, zero=0,
                              sequence="false"),
                gradients="bf16", global_batch=batch, micro_batch=size, ignore_memory="true",
                overlap="{ weights: false, pipeline: false, data: false }")
        def text(result, *others, name=name, gpus=gpus, tflops=tflops, seconds=seconds,
                 micro=micro, sizes=sizes):
            def off(run):
                return 100 * (time_of(run) / seconds - 1)
            some = sorted(off(run) for run in others)
            ranged = f"{signed(some[0], 1)} to {signed(some[-1], 1)}"
            if len(some) == 1:
                ranged = signed(some[0], 1)
            return (f"| {name}B | {grouped(gpus)} | {tflops} | {seconds:.4g} | {micro} | "
                    f"{time_of(result):.4g} | {signed(off(result), 1)} | "
                    f"{', '.join(map(str, sizes))} | {ranged} |")
        yield Row([at(micro), *map(at, sizes)], text, gpus < 128)


# Other public runs. ------------------------------------------------------------------------------

def mpt(layers, hidden, heads, gpus, batch, micro, tokens_per_s, sequence=2048, **more):
    """A row of MosaicML's benchmarks: fully sharded."""
    return gpus, batch * sequence / tokens_per_s, dict(
        architecture=gpt(layers, hidden, heads, 50432, positions=sequence, tied="true"),
        model="''", parallel="{ zero: 3 }", global_batch=batch, micro_batch=micro, sequence=sequence,
        fused_attention="true", overlap="{ data: true, tensor: false, weights: false }", **dict(dict(recompute="none"), **more))


def mpt_h100(*where, **more):
    return mpt(*where, efficiency=FLASH_2, **more)


# FlashAttention-2 on an H100 (docs/training.md, Held against one H100), where a run's own files
# choose it: NVTE_FUSED_ATTN=0 in [DGXC]'s configure.sh, attn_impl flash in [MPT-BENCH].
FLASH_2 = flow(attention_forward="35.6%", attention_backward="34.9%", attention_start=430)
NEMOTRON = dict(vocabulary=256000, key_value_heads=8)
LLAMA_70B = dict(model="llama3-70b", sequence=8192,
                 parallel=flow(tensor=4, pipeline=4, context=2, virtual_stages=5))
NEMOTRON_340B = dict(model="''", architecture=gpt(96, 18432, 96, ffn=73728, **NEMOTRON), sequence=4096,
                     parallel=flow(tensor=8, pipeline=8, virtual_stages=12), efficiency=FLASH_2,
                     recompute="selective", gradients="bf16")
GPT3 = dict(model="''", architecture="{ preset: gpt3-175b, vocabulary: 51200, dropout: true }",
            sequence=2048, parallel=flow(tensor=4, pipeline=8, virtual_stages=12),
            efficiency=FLASH_2, gradients="bf16")
MT_NLG = dict(model="''", architecture=gpt(105, 20480, 128, 51200, positions=2048, tied="true", biases="true",
                               dropout="true"),
              parallel=flow(tensor=8, pipeline=35, sequence="false"), global_batch=1920,
              micro_batch=1)

PUBLIC = [  # run, file, (GPUs, seconds, keys), source
    ("Llama 3.1 8B", "h100", (8, 12.91, dict(parallel="{ context: 2 }")), "[DGXC]"),
    ("Llama 3.1 70B", "h100", (64, 14.72, dict(LLAMA_70B, global_batch=128)), "[DGXC]"),
    ("Llama 3.1 70B", "h100", (2048, 14.98, dict(LLAMA_70B, global_batch=4096)), "[DGXC]"),
    ("Llama 3.1 405B", "h100", (576, 17.20, dict(model="llama3-405b",
     sequence=8192, global_batch=252,
     parallel=flow(tensor=8, pipeline=9, context=2, virtual_stages=7))), "[DGXC]"),
    ("Nemotron-4 15B", "h100", (64, 2.845, dict(
        model="''", architecture=gpt(32, 6144, 48, ffn=24576, **NEMOTRON), sequence=4096, global_batch=256,
        micro_batch=4, parallel="{ tensor: 4 }")), "[DGXC]"),
    ("Nemotron-4 340B", "h100", (128, 4.61, dict(NEMOTRON_340B, global_batch=32)), "[DGXC]"),
    ("Nemotron-4 340B", "h100", (2048, 4.84, dict(NEMOTRON_340B, global_batch=512)), "[DGXC]"),
    ("GPT-3 175B", "h100", (128, 8.309, dict(GPT3, global_batch=256)), "[DGXC]"),
    ("GPT-3 175B", "h100", (2048, 8.49, dict(GPT3, global_batch=4096)), "[DGXC]"),
    ("Grok-1 314B", "h100", (512, 20.83, dict(
        model="''", architecture=gpt(64, 6144, 48, 131072, key_value_heads=8, head_dim=128, gated="true",
                         moe="{ experts: 8, top_k: 2, ffn: 32768 }"), sequence=8192,
        global_batch=1024, efficiency=FLASH_2, gradients="bf16",
        parallel=flow(tensor=4, pipeline=8, context=2, expert=8, virtual_stages=8))), "[DGXC]"),
    ("MPT-7B", "h100", mpt_h100(32, 4096, 32, 8, 48, 6, 85144), "[MPT-BENCH]"),
    ("MPT-30B", "h100", mpt_h100(48, 7168, 64, 32, 1344, 14, 73860, recompute="full"), "[MPT-BENCH]"),
    ("MPT-30B", "h100", mpt_h100(48, 7168, 64, 8, 504, 3, 16022, recompute="full"), "[MPT-BENCH]"),
    ("MPT-70B", "h100", mpt_h100(80, 8192, 64, 64, 2048, 8, 66523, recompute="full"), "[MPT-BENCH]"),
    ("MPT-70B", "h100", mpt_h100(80, 8192, 64, 32, 1024, 2, 28242, recompute="full"), "[MPT-BENCH]"),
    ("MPT-7B, 8k", "h100", mpt_h100(32, 4096, 32, 8, 128, 8, 55481, sequence=8192, recompute="full"),
     "[MPT-BENCH]"),
    ("MPT-30B, 8k", "h100", mpt_h100(48, 7168, 64, 8, 168, 1, 11072, sequence=8192, recompute="full"),
     "[MPT-BENCH]"),
    ("MPT-7B", "a100", mpt(32, 4096, 32, 8, 96, 6, 37130), "[MPT-BENCH]"),
    ("MPT-30B", "a100", mpt(48, 7168, 64, 8, 504, 3, 7330, recompute="full"), "[MPT-BENCH]"),
    ("MPT-30B, 8k", "a100", mpt(48, 7168, 64, 8, 168, 1, 4594, sequence=8192, recompute="full"),
     "[MPT-BENCH]"),
    ("MPT-70B", "a100", mpt(80, 8192, 64, 64, 2048, 8, 26274, recompute="full"), "[MPT-BENCH]"),
    ("BLOOM 176B", "a100", (384, 104.5, dict(
        model="''", architecture=gpt(70, 14336, 112, 250880, tied="true", biases="true"),
        parallel=flow(tensor=4, pipeline=12, sequence="false"), micro_batch=2)), "[BLOOM-LOG]"),
    ("MT-NLG 530B", "a100", (2240, 60.1, MT_NLG), "[SPN+22 §2.4]"),
    ("MT-NLG 530B", "a100", (3360, 44.4, MT_NLG), "[SPN+22 §2.4]"),
    ("GPT-NeoX 20B", "a100", (96, 43.9, dict(
        model="''", architecture=gpt(44, 6144, 64, 50432, biases="true", parallel_block="true"),
        parallel=flow(tensor=2, pipeline=4, sequence="false"), global_batch=1536, micro_batch=4,
        gradients="bf16")), "[BBH+22, NEOX-20B]"),
]


def public(runs):
    for run, file, (gpus, seconds, keys), source in PUBLIC:
        def text(result, run=run, file=file, gpus=gpus, seconds=seconds, source=source):
            i = result["iteration"]
            off = signed(100 * (time_of(result) / seconds - 1), 1)
            return (f"| {run} | {grouped(gpus)} {file.upper()} | {seconds:.4g} | "
                    f"{time_of(result):.4g} | {off} | {100 * i['mfu'] * time_of(result) / seconds:.1f} "
                    f"| {100 * i['mfu']:.1f} | {source} |")
        yield Row([runs.iteration(f"public-runs/{file}.yaml", placement__gpus=gpus, **keys)], text,
                  gpus < 128)


# HPN against DCN+. ------------------------------------------------------------------------------

def gain(runs, folder, *sets, base="dcn_plus.yaml", seeds=None):
    arguments = [word for one in sets for word in ("--set", one)]
    if seeds:
        arguments += ["--seeds", str(seeds)]
    return runs.start("compare", f"{folder}/{base}", f"{folder}/hpn.yaml", *arguments)


def ratio_of(run):
    """The base's time over the case's, less 1, in per cent: median, 5 %, 95 %."""
    ratio = next(d["ratio"] for d in run["differences"] if d["key"] == "makespan_s")
    return [100 * (1 / ratio[key] - 1) for key in ("median", "p95", "p5")]


def hpn_448(runs):
    for batch in (56, 112, 224, 448, 896, 1792, 3584, 7168):
        for width in ("bf16", "fp32"):
            def text(*results, batch=batch, width=width):
                cells = " | ".join(signed(ratio_of(run)[0], 2) for run in results)
                return f"| {grouped(batch)} | {width} | {cells} | +6.3 % |"
            yield Row([gain(runs, "hpn-448", f"{TRAINING}global_batch={batch}",
                            f"{TRAINING}gradients={width}",
                            f"{TRAINING}parallel.virtual_stages={chunks}")
                       for chunks in (1, 2, 6)], text, batch == 56 and width == "bf16")


ORDERS = ["packed"] + [f"shuffled {seed}" for seed in range(1, 5)]


def placed(order):
    if order == "packed":
        return ["placement.order=natural"]
    return [f"placement.seed={order.split()[1]}"]


def between(case):
    return sum(group["between_segments"] for group in case["iteration"]["bytes"]) / 1e12


def interval(values, digits=1):
    values = sorted(values)
    def at(share):
        place = share * (len(values) - 1)
        low = int(place)
        high = min(low + 1, len(values) - 1)
        return values[low] + (place - low) * (values[high] - values[low])
    return (f"{signed(at(0.5), digits)} [{signed(at(0.05), digits, '')}, "
            f"{signed(at(0.95), digits, '')}]")


def hpn_2304(runs):
    """A row a batch and width: packed, and over four orders by chance, two hash seeds each."""
    for batch in (288, 1152, 4608):
        for width in ("bf16", "fp32"):
            sets = [f"{TRAINING}global_batch={batch}", f"{TRAINING}gradients={width}"]
            def text(packed, *shuffled, batch=batch, width=width):
                def fewer(run):
                    was, now = (between(case) for case in run["cases"])
                    return 100 * (now / was - 1)
                gains = [value for run in shuffled for value in ratio_of(run)[1:]]
                return (f"| {grouped(batch)} | {width} | {signed(fewer(packed), 1)} | "
                        f"{signed(ratio_of(packed)[0], 1)} | "
                        f"{interval([fewer(run) for run in shuffled])} | {interval(gains)} | "
                        f"> +14.9 % |")
            yield Row([gain(runs, "hpn-2304", *placed(order), *sets) for order in ORDERS], text)


TABLES = {"megascale": megascale, "llama3": llama, "selene": selene, "sc21": sc21,
          "public": public, "hpn-448": hpn_448, "hpn-2304": hpn_2304}


# ------------------------------------------------------------------------------------------------

def block(name):
    return re.compile(rf"(^<!-- {name}: from [^\n]*\n\n\|[^\n]*\n\|[^\n]*\n)(.*?)"
                      rf"(\n<!-- {name}: up )", re.M | re.S)


def check(text, runs):
    wrong = []
    rows = [(name, row) for name, table in TABLES.items() for row in table(Lazy(runs)) if row.cheap]
    for _, row in rows:
        row.runs = [run.start() for run in row.runs]
    for name, row in rows:
        found = block(name).search(text)
        if not found:
            wrong.append(f"docs/training.md has no table {name}")
        elif row.line() not in found[2].splitlines():
            wrong.append(f"docs/training.md, table {name} has no row\n  {row.line()}")
    return wrong


KIND = re.compile(r'\{"([^"]+)", (\d+), ([\d.]+), ([\d.]+)\}')


def wrong_ratios(text, source):
    """What is wrong with the ratios that a report prints (report/published_runs.h), by the tables
    of Selene and of other public runs: published time over weft's, by kind."""
    ratios = {"Megatron": [], "sharded PyTorch": [], "stacks of 2021": []}
    def add(kind, off):
        ratios[kind].append(1 / (1 + float(off.replace("−", "-")) / 100))
    for row in block("selene").search(text)[2].splitlines():
        for off in re.findall(r"([−+][\d.]+) %", row):
            add("Megatron", off)
    for row in block("public").search(text)[2].splitlines():
        if off := re.search(r"([−+][\d.]+) %", row):
            add("Megatron" if "[DGXC]" in row else
                "sharded PyTorch" if "[MPT-BENCH]" in row else "stacks of 2021", off[1])
    want = [(kind, len(of), f"{min(of):.2f}", f"{max(of):.2f}") for kind, of in ratios.items()]
    found = [(kind, int(runs), low, high) for kind, runs, low, high in KIND.findall(source)]
    if found == want:
        return None
    return "report/published_runs.h is not\n  " + "\n  ".join(
        f'{{"{kind}", {runs}, {low}, {high}}},' for kind, runs, low, high in want)


class Lazy:
    """Says what to run, and runs it when asked."""

    class Run:
        def __init__(self, begin):
            self.start = begin

    def __init__(self, runs):
        self.runs = runs

    def iteration(self, file, **keys):
        return self.Run(lambda: self.runs.iteration(file, **keys))

    def start(self, *arguments):
        return self.Run(lambda: self.runs.start(*arguments))


def update(text, runs, names):
    tables = {name: list(table(runs)) for name, table in TABLES.items() if name in names}
    for name, rows in tables.items():
        body = "".join(row.line() + "\n" for row in rows)
        text, count = block(name).subn(lambda found: found[1] + body + found[3], text)
        if count != 1:
            sys.exit(f"training_tables: docs/training.md has {count} tables {name}")
    return text


def plateau(run, seconds):
    """The share of peak at which `run(gemm)` takes `seconds`: time is near a + b/gemm."""
    low, high = 0.6, 0.8
    for _ in range(3):
        at_low, at_high = (time_of(run(gemm).result()) for gemm in (low, high))
        slope = (at_low - at_high) / (1 / low - 1 / high)
        low, high = high, 1 / (1 / high + (seconds - at_high) / slope)
        if abs(high - low) < 1e-5:
            break
    return high


def fit(runs):
    """MegaScale's two plateaus and the loading time they share, and Llama 3's plateau."""
    def column(file, published, shared):
        begins = shared + (MISC_S if "megatron_lm" in file else 0)
        keys = dict(loading_time=f"{1e3 * begins:.3f}ms")
        gemm = plateau(lambda g: megascale_run(runs, file, 256, 768, efficiency__gemm=f"{g:.6f}",
                                               **keys), published[0][0])
        run = megascale_run(runs, file, 1024, 768, efficiency__gemm=f"{gemm:.6f}", **keys)
        return gemm, time_of(run.result()) - published[1][0]

    columns = [(file, [row[2 + i] for row in MEGASCALE]) for i, (_, file) in enumerate(COLUMNS)]
    off = {shared: [column(*one, shared)[1] for one in columns] for shared in (0.3, 0.7)}
    slopes = [(b - a) / 0.4 for a, b in zip(off[0.3], off[0.7])]
    shared = 0.3 - sum(s * a for s, a in zip(slopes, off[0.3])) / sum(s * s for s in slopes)
    print(f"megascale: loading time {1e3 * shared:.0f} ms, Megatron-LM's "
          f"{1e3 * (shared + MISC_S):.0f} ms, plateaus",
          ", ".join(f"{100 * column(*one, round(shared, 3))[0]:.2f} %" for one in columns))

    def llama_at(gemm):
        return runs.iteration(LLAMA, efficiency__gemm=f"{gemm:.6f}")
    i = llama_at(0.6).result()["iteration"]
    tokens = i["tokens_per_s"] * i["time_s"]["median"]
    want = tokens * i["flops_per_token"] / (430e12 * 8192)
    print(f"llama3: plateau {100 * plateau(llama_at, want):.2f} %")


def main():
    parser = argparse.ArgumentParser(description="Checks the tables of docs/training.md.")
    parser.add_argument("--weft", type=pathlib.Path, required=True, help="the program")
    parser.add_argument("--jobs", type=int, default=2, help="runs at a time")
    parser.add_argument("--update", nargs="*", metavar="TABLE",
                        help="write instead of checking, all tables or these")
    parser.add_argument("--fit", action="store_true", help="print what the fits give")
    options = parser.parse_args()
    runs = Runs(options.weft.resolve(), options.jobs)
    text = PAGE.read_text()
    if options.fit:
        fit(runs)
    elif options.update is not None:
        PAGE.write_text(update(text, runs, options.update or list(TABLES)))
    else:
        wrong = check(text, runs)
        if ratios := wrong_ratios(text, RATIOS.read_text()):
            wrong.append(ratios)
        if wrong:
            print("\n".join(wrong))
            print("training_tables: run tools/training_tables.py --weft build/weft --update")
        return 1 if wrong else 0
    return 0


if __name__ == "__main__":
    sys.exit(main())
