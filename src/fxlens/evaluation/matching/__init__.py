"""Parameter matching: how near does an embedding lead to the settings that were used?"""
