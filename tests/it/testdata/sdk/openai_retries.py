"""What OpenAI's SDK, with one retry of its own, makes of models whose rate is limited for good.

Arguments: a base URL and the models. The key is in AURORA_KEY.
"""

import os
import sys

import openai

client = openai.OpenAI(base_url=sys.argv[1], api_key=os.environ["AURORA_KEY"], max_retries=1)
for model in sys.argv[2:]:
    try:
        client.chat.completions.create(model=model, messages=[{"role": "user", "content": "Where?"}])
    except openai.APIStatusError as error:
        print(model, type(error).__name__, error.status_code, error.code)
