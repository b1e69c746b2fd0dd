"""Does an embedding move as one parameter moves?"""
