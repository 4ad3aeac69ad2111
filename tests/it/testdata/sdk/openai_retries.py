"""What OpenAI's SDK, with one retry of its own, makes of a model whose rate is limited for good.

Arguments: a base URL and the model. The key is in AURORA_KEY.
"""

import os
import sys

import openai

client = openai.OpenAI(base_url=sys.argv[1], api_key=os.environ["AURORA_KEY"], max_retries=1)
try:
    client.chat.completions.create(model=sys.argv[2], messages=[{"role": "user", "content": "Where?"}])
except openai.APIStatusError as error:
    print(type(error).__name__, error.status_code, error.code)
