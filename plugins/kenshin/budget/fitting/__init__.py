"""Making a prompt fit its budget: compress in declared steps, trim by declared priorities, and say what went.

- `fit`: the loop, from the check of what was given to the check of what is left.
- `policy`: targets, steps and cuts; `result`: what became of the prompt, and each change.
- `draft`: the prompt in the making; `costs`: its tokens as running sums.
- `steps`: what each step of compressing and trimming proposes.
- `passages`: of the context; `messages`, `turns`: of both APIs, and which of them belong together.
- `repetition`, `whitespace`: what says nothing new.
"""
