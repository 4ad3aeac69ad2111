"""Writes an untrained language model: the llama architecture, a few hundred kilobytes, the same weights
each time. llama.cpp serves it like any other.

Arguments: the file to write.
"""

import sys

import gguf
import numpy

WIDTH, HEADS, LAYERS, HIDDEN, CONTEXT = 64, 4, 2, 128, 2048
WORDS = """the a tower city river bridge night day wind stone light water road house garden window door voice song
letter number red green blue old new small large open quiet slow bright under over between and but or because when
where who is was has sees hears opens turns waits Paris Rome . , ! ?""".split()
PIECES = [f"▁{word}" if word.isalpha() else word for word in WORDS]
LETTERS = ["▁"] + [chr(code) for code in range(ord("a"), ord("z") + 1)] + list('"{}:[]0123456789')

# Each message as a line of its own, with its role.
TEMPLATE = (
    "{% for message in messages %}{{ message['role'] }}: {{ message['content'] }}\n{% endfor %}"
    "{% if add_generation_prompt %}assistant:{% endif %}"
)


def vocabulary():
    kind = gguf.TokenType
    tokens = [("<unk>", kind.UNKNOWN), ("<s>", kind.CONTROL), ("</s>", kind.CONTROL)]
    tokens += [(f"<0x{byte:02X}>", kind.BYTE) for byte in range(256)]
    tokens += [(piece, kind.NORMAL) for piece in PIECES + LETTERS]
    return tokens


def write(path):
    random = numpy.random.default_rng(7)
    tokens = vocabulary()
    model = gguf.GGUFWriter(path, "llama")
    model.add_name("tiny")
    model.add_context_length(CONTEXT)
    model.add_embedding_length(WIDTH)
    model.add_block_count(LAYERS)
    model.add_feed_forward_length(HIDDEN)
    model.add_head_count(HEADS)
    model.add_head_count_kv(HEADS)
    model.add_rope_dimension_count(WIDTH // HEADS)
    model.add_layer_norm_rms_eps(1e-5)
    model.add_file_type(gguf.LlamaFileType.ALL_F32)
    model.add_tokenizer_model("llama")
    model.add_token_list([text for text, _ in tokens])
    model.add_token_scores([-float(rank) for rank in range(len(tokens))])
    model.add_token_types([int(kind) for _, kind in tokens])
    model.add_bos_token_id(1)
    model.add_eos_token_id(2)
    model.add_unk_token_id(0)
    model.add_chat_template(TEMPLATE)

    def weights(name, *shape):
        model.add_tensor(name, random.normal(0, shape[-1] ** -0.5, shape).astype(numpy.float32))

    def ones(name):
        model.add_tensor(name, numpy.ones(WIDTH, numpy.float32))

    weights("token_embd.weight", len(tokens), WIDTH)
    for layer in range(LAYERS):
        ones(f"blk.{layer}.attn_norm.weight")
        ones(f"blk.{layer}.ffn_norm.weight")
        for part in ("attn_q", "attn_k", "attn_v", "attn_output"):
            weights(f"blk.{layer}.{part}.weight", WIDTH, WIDTH)
        weights(f"blk.{layer}.ffn_gate.weight", HIDDEN, WIDTH)
        weights(f"blk.{layer}.ffn_up.weight", HIDDEN, WIDTH)
        weights(f"blk.{layer}.ffn_down.weight", WIDTH, HIDDEN)
    ones("output_norm.weight")
    # Bytes and control tokens have no score, so the output consists of words and does not stop by itself.
    output = random.normal(0, 1, (len(tokens), WIDTH)).astype(numpy.float32)
    output[: len(tokens) - len(PIECES + LETTERS)] = 0
    model.add_tensor("output.weight", output)
    model.write_header_to_file()
    model.write_kv_data_to_file()
    model.write_tensors_to_file()
    model.close()


write(sys.argv[1])
